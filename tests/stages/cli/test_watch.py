from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.engine import lock
from pipeline.engine.live_state import LiveState
from pipeline.engine.lock import LOCK_FILE, StoreLock, machine
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.run_log import RunLog
from pipeline.engine.storage import Store
from stages.cli.watch import watch
from tests.processes import wait_for
from tests.screen import Screen

ROOT = Path(__file__).resolve().parents[3]
STORED = ProgressState("faces", "stored, 4 rows", 1.0, "")
RUNNING = ProgressState("boxes", "1/4 items", 0.25, "3s left", shards="0/2 shards", rate="0.5/s", errors=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def watched(store: Store) -> list[str]:
    out = io.StringIO()
    watch(store, out, seconds=0.02)
    return out.getvalue().splitlines()


def dead(store: Store, **changed: object) -> None:
    """Leaves the lock of a run whose process is gone: its number is that of this process, which has another start."""
    gone = {"host": "here", "machine": machine(), "pid": os.getpid(), "started": 0, "since_boot": -1, "beat": 0}
    store.write(LOCK_FILE, json.dumps(gone | {"purpose": "wider8k run"} | changed).encode())


def test_without_a_run_it_says_so_and_ends(store: Store) -> None:
    assert watched(store) == ["no run holds the store"]


def test_it_prints_what_changes_until_the_lock_is_gone_and_how_the_run_ended(store: Store) -> None:
    lines: list[str] = []
    with StoreLock(store, "wider8k run"):
        reader = threading.Thread(target=lambda: lines.extend(watched(store)))
        reader.start()
        time.sleep(0.1)
        for state in (RUNNING, ProgressState("boxes", "4 rows in 2s", 1.0, "")):
            LiveState.here("r1", [STORED, state]).write(store)
            time.sleep(0.2)
        with RunLog(store, "r1") as log:
            log.event("run ended", outcome="1 computed, 1 reused")
    reader.join(20)
    assert lines == [
        "faces: stored, 4 rows",
        "boxes: 1/4 items 0/2 shards 0.5/s 3s left 1 errors",
        "boxes: 4 rows in 2s",
        "run r1 has ended: 1 computed, 1 reused",
    ]


def test_the_state_of_an_earlier_run_is_not_shown(store: Store) -> None:
    LiveState("r0", os.getpid() + 1, machine(), (RUNNING,)).write(store)
    lines: list[str] = []
    with StoreLock(store, "wider8k run"):
        reader = threading.Thread(target=lambda: lines.extend(watched(store)))
        reader.start()
        time.sleep(0.2)
    reader.join(20)
    assert lines == ["no run holds the store"]


def test_the_lock_of_a_dead_run_ends_it_with_what_was_known_last(store: Store) -> None:
    LiveState.here("r1", [STORED, RUNNING]).write(store)
    dead(store)
    *known, last = watched(store)
    assert known == ["at last: faces: stored, 4 rows", "at last: boxes: 1/4 items 0/2 shards 0.5/s 3s left 1 errors"]
    assert last.endswith("ended without a word: run it again, it resumes")


def test_a_silent_run_of_another_machine_ends_it_after_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.2)
    dead(store, host="elsewhere", machine="elsewhere", pid=1, beat=2**40)
    assert watched(store)[-1].endswith("ended without a word: run it again, it resumes")


def test_a_look_reads_two_files_and_lists_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shards a run has: a watcher on S3 costs two requests per look."""
    asked: list[str] = []
    plain = Store.read
    monkeypatch.setattr(Store, "read", lambda self, name: asked.append(name) or plain(self, name))
    monkeypatch.setattr(Store, "sizes", lambda *_: pytest.fail("a listing"))
    LiveState.here("r1", [RUNNING]).write(store)
    dead(store)
    watched(store)
    assert len(asked) <= 3
    assert set(asked) == {"lock.json", "runs/live.json"}


class Terminal:
    """A command on a terminal of its own, and all that it has written."""

    def __init__(self, *words: str, columns: int = 100) -> None:
        self.columns, self.text = columns, ""
        inner, outer = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
        self.process = subprocess.Popen(words, cwd=ROOT, env=env, stdin=outer, stdout=outer, stderr=outer)
        os.close(outer)
        self._handle = inner

    def read(self, seconds: float = 0.1) -> None:
        """Takes what it writes within that time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self._handle], [], [], left)[0]:
            try:
                self.text += os.read(self._handle, 65536).decode()
            except OSError:  # it has ended
                return

    def lines(self) -> list[str]:
        """Returns what its screen shows."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.text)
        return Screen(self.columns).feed(plain).lines()


@pytest.mark.slow
def test_a_run_is_watched_on_a_terminal_until_it_ends(tmp_path: Path) -> None:
    """The real command on a pty beside a real run: bars that move, then how it ended, and a clean screen.

    The run is stopped while what it last wrote is not shown yet, so that it need not last for long.
    """
    config, live = tmp_path / "config.yaml", tmp_path / "store" / "runs" / "live.json"
    config.write_text(
        f"name: watched\nstore: {tmp_path}/store\nnodes:\n"
        "  faces: {stage: index, dataset: {kind: synthetic, images: 4000}, run: {shard_rows: 20}}\n"
    )
    command = [sys.executable, "-m", "stages.cli.main"]
    run = subprocess.Popen([*command, "run", "-c", str(config), "--local", "-q"], cwd=ROOT)
    try:
        wait_for(run, live.exists)
        terminal, seen = Terminal(*command, "status", "-c", str(config), "--watch"), set[int]()
        for bars in (1, 2):
            written = live.read_bytes()
            run.send_signal(signal.SIGSTOP)
            while len(seen) < bars and terminal.process.poll() is None:
                seen |= shown(terminal, 4000)
            run.send_signal(signal.SIGCONT)
            if bars == 1:
                wait_for(run, lambda before=written: live.exists() and live.read_bytes() != before)
        while terminal.process.poll() is None:
            seen |= shown(terminal, 4000)
        terminal.read()
    finally:
        run.kill() if run.poll() is None else None
        run.wait()
    assert len(seen) >= 2, "its bar has moved"
    assert terminal.lines()[0].startswith("run ")
    assert terminal.lines()[0].endswith("has ended: 1 computed, 0 reused")
    assert terminal.process.returncode == 0


def shown(terminal: Terminal, images: int) -> set[int]:
    """Reads on, and returns the numbers of finished images that the bar shows."""
    terminal.read()
    found = [re.match(rf"faces .*?(\d+)/{images} items", line) for line in terminal.lines()]
    assert all(len(line) < terminal.columns for line in terminal.lines())
    if any(found):
        assert "process" in terminal.lines()[0]
    return {int(each[1]) for each in found if each}
