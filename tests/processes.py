"""Processes of tests: what they inherit, how they are waited for, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
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


def wait_for(process: subprocess.Popen[Any], condition: Callable[[], bool]) -> None:
    """Returns once the condition holds, while the process still runs; fails after three minutes."""
    limit = time.monotonic() + 180
    while not condition():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < limit
        time.sleep(0.02)


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
    """For ``preexec_fn``: what a script starts in the background is deaf to Ctrl-C, under `nohup` to a lost terminal too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
