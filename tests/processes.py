"""Processes of tests: how they are ended, and what they inherit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from typing import Any

import psutil


def command_of(process: psutil.Process) -> str:
    """Returns the command line, "" of a process that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one too
        return ""


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kills what still runs; some of a family end by themselves as soon as their head is gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_family(driver: subprocess.Popen[Any]) -> None:
    """Kills a process first and then all that it had started, as a machine that fails would."""
    family = psutil.Process(driver.pid).children(recursive=True)
    os.kill(driver.pid, signal.SIGKILL)
    kill_all(family)
    driver.wait()


def hear_interrupts() -> None:
    """For ``preexec_fn``: a process started in the background of a script is deaf to Ctrl-C, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
