"""A Ray cluster of several machines on this one: a head that takes jobs and has no CPU, and those that do the work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_SECONDS_TO_START: Final = 180
_SECONDS_BETWEEN: Final = 2  # questions of whether a condition holds
_STORE_BYTES: Final = 80_000_000  # of objects; only ids and records pass through it


@contextmanager
def small_cluster(machines: int, cpus: int) -> Iterator[dict[str, str]]:
    """Runs a cluster; yields the environment of a shell that submits jobs to it.

    Args:
        machines: that do the work, each a `ray start` of its own.
        cpus: of each.
    """
    folder = Path(tempfile.mkdtemp(prefix="w8k-", dir="/tmp"))  # short: Ray's sockets are in it
    port, dashboard = _free_port(), _free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {
        "HOME": str(folder), "RAY_TMPDIR": str(folder), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "RAY_AUTH_MODE": "disabled", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "OMP_NUM_THREADS": "1",
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
    }  # fmt: skip
    head = ["--head", "--num-cpus=0", f"--port={port}", f"--dashboard-port={dashboard}"]
    head += [f"--dashboard-agent-listen-port={_free_port()}", f"--ray-client-server-port={_free_port()}"]
    worker = [f"--address=127.0.0.1:{port}", f"--num-cpus={cpus}", "--dashboard-agent-listen-port=0"]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for number, options in enumerate([head, *[worker] * machines]):
            running.append(_start(options, env, folder / f"{number}.log"))
        wait_until(lambda: _answers(env["RAY_API_SERVER_ADDRESS"]), _SECONDS_TO_START)
        yield env
    finally:
        for machine in reversed(running):
            _end(machine)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Returns once the condition holds. Raises TimeoutError."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(_SECONDS_BETWEEN)


def ray_job(env: Mapping[str, str], *words: str) -> str:
    """Returns what `ray job` prints."""
    done = subprocess.run(["ray", "job", *words], env=env, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


def job_ended(env: Mapping[str, str], job: str) -> bool:
    """Returns whether a job has ended in any way."""
    return job_status(env, job) in ("SUCCEEDED", "STOPPED", "FAILED")


def job_status(env: Mapping[str, str], job: str) -> str:
    """Returns the status of a job; `ray job status` takes three seconds of a core for it."""
    with urllib.request.urlopen(f"{env['RAY_API_SERVER_ADDRESS']}/api/jobs/{job}", timeout=60) as answer:
        return str(json.load(answer)["status"])


def _start(options: list[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = ["ray", "start", "--block", "--disable-usage-stats", f"--object-store-memory={_STORE_BYTES}", *options]
    with log.open("w") as file:
        machine = subprocess.Popen(command, env=env, stdout=file, stderr=file, start_new_session=True)
    limit = time.monotonic() + _SECONDS_TO_START
    while "will now block forever" not in (text := log.read_text()):
        if machine.poll() is not None or time.monotonic() > limit:
            _end(machine)
            raise RuntimeError(f"a machine of the cluster did not start: {text}")
        time.sleep(0.1)
    return machine


def _end(machine: subprocess.Popen[bytes]) -> None:
    """Kills a machine with all that it has started."""
    if machine.poll() is not None:
        return
    family = psutil.Process(machine.pid).children(recursive=True)
    os.kill(machine.pid, signal.SIGKILL)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    machine.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/api/version", timeout=2).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
