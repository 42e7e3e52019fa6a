"""Processes of tests: what they inherit, how they are waited for, and how they are ended."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from jobs.simulated.processes import command_of, free_port, kill_all, kill_family

__all__ = ["command_of", "free_port", "hear_interrupts", "kill_all", "kill_family", "wait_for"]


def wait_for(process: subprocess.Popen[Any], condition: Callable[[], bool]) -> None:
    """Returns once the condition holds, while the process still runs; fails after three minutes."""
    limit = time.monotonic() + 180
    while not condition():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < limit
        time.sleep(0.02)


def hear_interrupts() -> None:
    """For ``preexec_fn``: what a script starts in the background is deaf to Ctrl-C, under `nohup` to a lost terminal too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
