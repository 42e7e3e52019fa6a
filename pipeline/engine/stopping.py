"""Ctrl-C, SIGTERM and SIGHUP alike: a message at once, one exception in the main thread, an orderly end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.engine.terminal import CLEAR, has_cursor

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_STOP = 15.0  # for threads that wait for a cluster; they check several times a second
_ends_at_once = False


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end; `code` is its exit status, 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def ends_at_once() -> bool:
    """Returns whether a signal has come, so that `stoppable` ends this process without any step of Python's own end."""
    return _ends_at_once


@contextmanager
def stoppable(line: str) -> Iterator[None]:
    """Ends the process on the first signal that asks for it, after everything inside has cleaned up.

    Inside, the main thread sees `Stopped`; the exit status is its code. A second signal changes nothing. A signal that
    was ignored before (``nohup``, the background of a script) stays ignored. The line is printed to stderr at once: the
    sender may kill the process before it has cleaned up (``ray job stop`` after three seconds).
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    stderr = _stderr()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, _: FrameType | None) -> None:
        global _ends_at_once
        again, _ends_at_once = _ends_at_once, True
        name = signal.Signals(number).name
        text = f"{name} again: already stopping" if again else f"interrupted by {name}; {line}"
        with contextlib.suppress(OSError):  # the terminal may be gone
            # On a terminal, in the place of the bars: what is drawn later is below it.
            os.write(stderr, (CLEAR * has_cursor(stderr) + text + "\n").encode())
        if not again:
            raise Stopped(number)

    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, handle)
        yield
    except Stopped as stopped:
        with contextlib.suppress(OSError, ValueError):  # the reader of stdout may be gone
            sys.stdout.flush()
        os._exit(stopped.code)  # a thread may hang on a cluster that does not answer
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(stderr)


def _stderr() -> int:
    """Returns a handle of its own: while Ray starts, the usual one is redirected to /dev/null."""
    try:
        return os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # no real file
        return os.dup(2)
