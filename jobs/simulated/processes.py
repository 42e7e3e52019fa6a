"""Processes on this machine: their names, free ports, and the end of a whole family as when a machine fails."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
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


def free_port() -> int:
    """Returns a port of this machine that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kills what still runs; some of a family end by themselves as soon as their head is gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_family(driver: subprocess.Popen[Any]) -> None:
    """Kills a process, if it runs, and then all that it had started, as a machine that fails would."""
    if driver.poll() is not None:
        return
    family = psutil.Process(driver.pid).children(recursive=True)
    os.kill(driver.pid, signal.SIGKILL)
    kill_all(family)
    driver.wait()
