"""A cluster of several machines on this one: each a `ray start` process of its own, which can be killed like a machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.processes import free_port, kill_family

ROOT = Path(__file__).resolve().parents[2]
RAY = str(Path(sys.executable).parent / "ray")
SECONDS_TO_START = 90
# A machine counts as lost after 1.5 s without a sign of life instead of 15.
QUICK = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}
DRAIN = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
from ray._private.worker import global_worker
from ray.core.generated import autoscaler_pb2
reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
(node,) = [each["NodeID"] for each in ray.nodes() if each["Resources"].get(sys.argv[2])]
assert global_worker.gcs_client.drain_node(node, reason, "preempted", 0)[0]
"""


class SmallCluster:
    """A head and what is added to it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        """Starts the head, without CPUs.

        Args:
            arguments: of `ray start`, more than those.
            environment: of the head.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="w8k-", dir="/tmp"))  # short: Ray's sockets are in it
        self._port, self._log = free_port(), (self.folder / "log").open("w")
        self._kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self._kept |= {"RAY_TMPDIR": str(self.folder), "RAY_AUTH_MODE": "disabled", "RAY_BACKEND_LOG_LEVEL": "fatal"}
        self._machines: list[subprocess.Popen[bytes]] = []
        command = ["--head", f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false", *arguments]
        command.append(f"--ray-client-server-port={free_port()}")
        self._start(command, QUICK | environment)
        self.address = self._addressed()

    @property
    def env(self) -> dict[str, str]:
        """Environment of a driver that joins."""
        return {**self._kept, "RAY_ADDRESS": self.address}

    def add(self, cpus: int, **resources: float) -> subprocess.Popen[bytes]:
        """Starts a machine; returns before it has joined."""
        command = [f"--address={self.address}", f"--num-cpus={cpus}", f"--resources={json.dumps(resources)}"]
        return self._start(command, {})

    def lose(self, machine: subprocess.Popen[bytes]) -> None:
        """Ends a machine without warning."""
        self._machines.remove(machine)
        kill_family(machine)

    def lose_all(self) -> None:
        """Ends all machines but the head."""
        for machine in self._machines[1:]:
            self.lose(machine)

    def drain(self, resource: str) -> None:
        """Announces that the machine with a resource of this name will be taken away."""
        command = [sys.executable, "-c", DRAIN, self.address, resource]
        subprocess.run(command, env=self._kept, check=True, timeout=60)

    def close(self) -> None:
        """Ends all machines."""
        self.lose_all()
        kill_family(self._machines[0])
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [RAY, "start", "--block", "--object-store-memory=80000000", "--dashboard-agent-listen-port=0"]
        machine = subprocess.Popen(
            [*command, *arguments],
            env=self._kept | environment, stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        self._machines.append(machine)
        return machine

    def _addressed(self) -> str:
        written, limit = self.folder / "ray" / "ray_current_cluster", time.monotonic() + SECONDS_TO_START
        while not (written.exists() and written.read_text().strip()):
            assert self._machines[0].poll() is None and time.monotonic() < limit, (self.folder / "log").read_text()
            time.sleep(0.05)
        return written.read_text().strip()


def start_squares(world: Any, env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Starts a driver that runs a `World`'s config; its output is that of a terminal's user."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.squares_job", str(world.folder / "config.yaml"), *arguments],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
