from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from pipeline.engine.stopping import SIGNALS, stoppable

WAITS = """
import sys, time
from pipeline.engine.stopping import ends_at_once, stoppable
assert not ends_at_once()
with stoppable("go on as before"):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("clearing up", flush=True)
        time.sleep(0.5)
        print("cleared up" * ends_at_once())
print("never printed")
"""


def ended_by(*signals: signal.Signals, before: Callable[[], object] | None = None) -> tuple[int, list[str], str]:
    """Returns exit status, lines and errors of a process that is sent the signals one after another."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)  # it has come back from printing
    for place, number in enumerate(signals):
        process.send_signal(number)
        if place == 0 and before is not ignore_hangups:
            assert process.stdout.readline() == "clearing up\n"
    out, errors = process.communicate(timeout=30)
    return process.returncode, out.splitlines(), errors


def defaults() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def ignore_hangups() -> None:
    defaults()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_process_that_has_cleared_up(number):
    code, lines, errors = ended_by(number, before=defaults)
    assert (code, lines) == (128 + number, ["cleared up"])
    assert errors == f"interrupted by {number.name}; go on as before\n"


@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_one_changes_nothing(second):
    code, lines, errors = ended_by(signal.SIGTERM, second, before=defaults)
    assert (code, lines) == (143, ["cleared up"])
    assert errors.splitlines() == ["interrupted by SIGTERM; go on as before", f"{second.name} again: already stopping"]


def test_what_was_ignored_before_stays_ignored():
    code, lines, errors = ended_by(signal.SIGHUP, signal.SIGTERM, before=ignore_hangups)
    assert (code, lines) == (143, ["clearing up", "cleared up"])
    assert "SIGHUP" not in errors


def test_what_was_there_before_comes_back():
    # Where the tests run in the background of a script SIGINT is ignored, and what is ignored stays so.
    kept = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        with stoppable("x"):
            assert all(signal.getsignal(number) is not signal.SIG_DFL for number in SIGNALS)
        assert all(signal.getsignal(number) is signal.SIG_DFL for number in SIGNALS)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_another_thread_changes_no_handler():
    seen = []

    def read() -> None:
        with stoppable("x"):
            seen.append([signal.getsignal(number) for number in SIGNALS])

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert seen == [[signal.getsignal(number) for number in SIGNALS]]
