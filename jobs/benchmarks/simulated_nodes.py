"""A Ray cluster of several nodes on this machine: a head without CPUs, and the raylets that join it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 120.0
OBJECT_STORE_BYTES = 80_000_000  # the smallest that Ray takes
_STARTED = "will now block forever"  # the last line of `ray start --block`


class SimulatedNodes:
    """A head without CPUs, and the nodes that `add` starts."""

    def __init__(self, folder: Path) -> None:
        """Starts the head; logs and sockets go into a folder with a short name."""
        self._folder, self._processes = folder, list[subprocess.Popen[bytes]]()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        quiet = {"RAY_AUTH_MODE": "disabled", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_TMPDIR": str(folder)}
        self._env = kept | quiet | {"PYTHONPATH": str(ROOT)}
        self._start("--head", f"--port={_free_port()}", "--num-cpus=0", f"--ray-client-server-port={_free_port()}",
                    "--include-dashboard=false")  # fmt: skip
        self.address = (folder / "ray" / "ray_current_cluster").read_text().strip()

    def add(self, count: int, cpus: int = 1) -> None:
        """Starts so many nodes of so many CPUs, one after the other, and returns once they have joined."""
        for _ in range(count):
            self._start(f"--address={self.address}", f"--num-cpus={cpus}")

    def close(self) -> None:
        """Ends all processes of the cluster."""
        for process in reversed(self._processes):
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()

    def _start(self, *arguments: str) -> None:
        command = [str(Path(sys.executable).parent / "ray"), "start", "--block", *arguments]
        command += [f"--object-store-memory={OBJECT_STORE_BYTES}", "--dashboard-agent-listen-port=0"]
        log = self._folder / f"node-{len(self._processes)}.log"
        with log.open("w") as file:
            process = subprocess.Popen(command, env=self._env, stdout=file, stderr=file, start_new_session=True)
        self._processes.append(process)
        limit = time.monotonic() + SECONDS_TO_START
        while _STARTED not in (text := log.read_text()):
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"a simulated node did not start within {SECONDS_TO_START:.0f} s:\n{text}")
            time.sleep(0.05)


@contextmanager
def simulated_nodes() -> Iterator[SimulatedNodes]:
    """Starts a cluster that `RayExecutor` joins in processes started inside, and ends it.

    Raises:
        RuntimeError: a node did not start, with what `ray start` printed.
    """
    folder = Path(tempfile.mkdtemp(prefix="w8k-", dir="/tmp"))  # short: Ray's sockets are in it
    before = os.environ.get("RAY_ADDRESS")
    nodes = None
    try:
        nodes = SimulatedNodes(folder)
        os.environ["RAY_ADDRESS"] = nodes.address
        yield nodes
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        if before is not None:
            os.environ["RAY_ADDRESS"] = before
        if nodes:
            nodes.close()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
