from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from pipeline.engine.node_progress import ProgressState
from pipeline.engine.terminal import CLEAR, BottomLines, has_cursor, link, render, terminal_size
from tests.screen import Screen

BOXES = ProgressState("boxes", "120/495 items", 0.25, "1m32s left", False, "3/8 shards", "4.1/s", 2, 812)
TRAINING = ProgressState("detector", "step 3/10 loss 0.5", 0.3, "stalled for 40s", True)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A pseudo terminal of 40 columns and 10 rows."""
    monkeypatch.setenv("TERM", "xterm-256color")
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    with open(side, "w") as stream:
        yield stream
    os.close(main)


def shown(lines: list[str], columns: int) -> list[str]:
    return Screen(columns).feed("".join(f"{line}\r\n" for line in lines)).lines()


def test_a_wide_terminal_shows_everything_of_a_node_in_one_line():
    first, second = shown(render([BOXES, TRAINING], 120, 24), 120)
    assert first.split()[1].startswith("\u2501" * 5), "no bar"
    assert first.endswith("120/495 items 1m32s left 2 errors 812 MB 4.1/s 3/8 shards")
    assert second.endswith("step 3/10 loss 0.5 stalled for 40s")
    assert first.index("120/495") == second.index("step"), "not aligned"


@pytest.mark.parametrize("columns", [20, 40, 71, 72, 80, 200])
def test_no_line_wraps(columns):
    long = ProgressState("a_node_with_a_very_long_name_of_a_grid_of_settings", "x" * 300 + "\nsecond", None, "1s left")
    lines = shown(render([BOXES, TRAINING, long], columns, 24), columns)
    assert len(lines) == 3
    assert all(len(line) < columns for line in lines)


def test_forty_columns_keep_what_matters_most():
    assert shown(render([BOXES], 40, 24), 40) == ["boxes 120/495 items 1m32s left 2 error\u2026"]


def test_more_nodes_than_rows_are_counted():
    lines = shown(render([BOXES] * 30, 80, 10), 80)
    assert len(lines) == 8
    assert lines[-1] == "and 23 more"


def test_no_color_leaves_out_colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in render([BOXES], 120, 24)[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in render([BOXES], 120, 24)[0]


def test_lines_replace_themselves_without_being_erased_first():
    out = io.StringIO()
    bottom = BottomLines(out)
    bottom.draw(["one 1", "two 1"])
    before = len(out.getvalue())
    bottom.draw(["one 2", "two 22"])
    assert not out.getvalue()[before:].startswith("\r\x1b"), "an empty line flickers"
    bottom.draw(["one 3"])
    assert Screen(40).feed(out.getvalue()).lines() == ["one 3"]
    bottom.clear()
    out.write("done\r\n")
    assert Screen(40).feed(out.getvalue()).lines() == ["done"]


def test_a_line_of_a_signal_handler_survives_what_is_drawn_later():
    out = io.StringIO()
    bottom = BottomLines(out)
    bottom.draw(["one 1", "two 1"])
    out.write(f"{CLEAR}interrupted\r\n")
    bottom.draw(["one 2", "two 2"])
    assert Screen(40).feed(out.getvalue()).lines() == ["interrupted", "one 2", "two 2"]
    bottom.clear()
    assert Screen(40).feed(out.getvalue()).lines() == ["interrupted"]


def test_a_terminal_has_a_size_and_a_cursor_unless_it_is_a_dumb_one(terminal, monkeypatch, tmp_path):
    assert terminal_size(terminal) == (40, 10)
    assert has_cursor(terminal)
    assert has_cursor(terminal.fileno())
    monkeypatch.setenv("TERM", "dumb")
    assert not has_cursor(terminal)
    with (tmp_path / "out.txt").open("w") as file:
        monkeypatch.setenv("TERM", "xterm")
        assert not has_cursor(file)


def test_a_path_is_a_link_on_a_terminal_only(terminal, monkeypatch):
    assert link("/a b/p.html", terminal) == "\x1b]8;;file:///a%20b/p.html\x1b\\/a b/p.html\x1b]8;;\x1b\\"
    assert link("s3://bucket/p.html", terminal) == "s3://bucket/p.html"
    assert link("/a b/p.html", io.StringIO()) == "/a b/p.html"
