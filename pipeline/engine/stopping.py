"""Ctrl-C, SIGTERM and SIGHUP alike: a word for people at once, one exception in the main thread, a tidy way out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_STOP = 15.0  # for threads that wait for a cluster; they look up several times a second


class Stopped(KeyboardInterrupt):
    """This process was told to end.

    Attributes:
        code: the exit status that says so, 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def stoppable(line: str) -> Iterator[None]:
    """Ends the process on the first signal that asks for it, once all that is inside has cleared up after itself.

    Inside, the main thread sees `Stopped`; outside of it nothing comes any more, and the exit status is its code. A
    second signal changes nothing: the way out is short already. A signal that was ignored when this began (``nohup``,
    the background of a script) stays ignored.

    Args:
        line: printed to stderr at once, since whoever sent the signal may lose patience before all is cleared up
            (``ray job stop`` after three seconds).
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread may set handlers, nor would it be told
        return
    told = _stderr()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = False

    def hear(number: int, _: FrameType | None) -> None:
        nonlocal heard
        again, heard = heard, True
        name = signal.Signals(number).name
        _tell(told, f"{name} again: already stopping" if again else f"interrupted by {name}; {line}")
        if not again:
            raise Stopped(number)

    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, hear)
        yield
    except Stopped as stopped:
        with contextlib.suppress(OSError, ValueError):  # what was printed, unless nobody is there to read it
            sys.stdout.flush()
        os._exit(stopped.code)  # a thread may hang on a cluster that does not answer
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)


def _stderr() -> int:
    """Returns a handle of its own: while Ray starts, what is written to the usual one goes nowhere."""
    try:
        return os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # no real file
        return os.dup(2)


def _tell(handle: int, line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be what has gone
        # Below a progress line that is drawn over itself.
        os.write(handle, ("\n" * os.isatty(handle) + line + "\n").encode())
