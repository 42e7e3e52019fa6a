from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from stages.cli import detect_progress
from stages.cli.detect_progress import DetectProgress
from tests.screen import Screen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TextIO, int]]:
    """A pseudo terminal of 100 columns, and the number of its other end."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    inner, outer = pty.openpty()
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 100, 0, 0))
    with open(outer, "w") as stream:
        yield stream, inner
    os.close(inner)


START = (time.monotonic(), 0)


def screen(inner: int) -> list[str]:
    text = ""
    while select.select([inner], [], [], 0.05)[0]:
        text += os.read(inner, 65536).decode()
    return Screen(100).feed(text).lines()


def test_a_terminal_has_lines_above_and_a_bar_below(
    terminal: tuple[TextIO, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal[0])
    monkeypatch.setattr(detect_progress, "SECONDS_BETWEEN_DRAWINGS", 0)
    progress = DetectProgress()
    progress.say("a.jpg: 3 faces")
    progress.show("detect", "images", 1, 4, START, 3)
    progress.say("b.jpg: 2 faces")
    progress.show("detect", "images", 2, 4, START, 5, failed=1)
    progress.say("c.jpg: 0 faces")
    progress.show("detect", "images", 3, 4, START, 5, failed=1)
    *lines, bar = screen(terminal[1])
    assert lines == ["a.jpg: 3 faces", "b.jpg: 2 faces", "c.jpg: 0 faces"]
    assert bar.startswith("detect ━") and "3/4 images 5 faces " in bar and "left 1 errors" in bar
    progress.show("film.mp4", "frames", 7, 0, START, 5)
    progress.clear()
    assert not any("━" in line for line in screen(terminal[1]))


def test_elsewhere_a_line_is_printed_from_time_to_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = DetectProgress()
    progress.show("detect", "images", 2, 4, START, 5)
    monkeypatch.setattr(detect_progress, "SECONDS_BETWEEN_LINES", 0)
    progress.show("detect", "images", 2, 4, START, 5)
    progress.show("film.mp4", "frames", 7, 0, START, 5)
    progress.lines = False
    progress.show("detect", "images", 3, 4, START, 5)
    progress.say("gone.jpg: No such file", error=True)
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first.startswith("detect: 2/4 images 5 faces ") and first.endswith(" left")
    assert second.startswith("film.mp4: 7 frames 5 faces ") and "left" not in second
    assert err == "gone.jpg: No such file\n"


def test_a_video_among_images_leaves_their_rate_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect_progress, "SECONDS_BETWEEN_LINES", 0)
    now = time.monotonic()
    monkeypatch.setattr(detect_progress.time, "monotonic", lambda: now + 200)
    progress = DetectProgress()
    progress.show("film.mp4", "frames", 60, 0, (now + 198, 0), 5)
    progress.show("detect", "images", 1000, 2000, (now, 0), 5)
    assert capsys.readouterr().out.splitlines() == [
        "film.mp4: 60 frames 5 faces 30/s",
        "detect: 1000/2000 images 5 faces 5/s 3m20s left",
    ]
