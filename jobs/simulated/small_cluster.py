"""A cluster of several machines on this one, each a `ray start` process that can be killed like a machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.simulated.processes import free_port, kill_family

RAY = str(Path(sys.executable).parent / "ray")
SECONDS_TO_START = 180
OBJECT_STORE_BYTES = 80_000_000  # about the least that Ray takes; only ids and records pass through it
# A machine counts as lost after 1.5 s without a sign of life instead of 15.
QUICK = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}
# The provider of Ray's own tests, which starts raylets on this machine; nothing here ends others' as its helper does.
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
HEAD_ID, HEAD_KIND = "f" * 51 + "00000", "ray.head.default"
UNUSED_LISTS = (
    "cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands", "setup_commands",
    "head_setup_commands", "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
)  # fmt: skip
FAKE = {1: {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}}
FAKE[2] = FAKE[1] | {
    "RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD_ID, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
    "RAY_NODE_TYPE_NAME": HEAD_KIND,  # as `ray up` and KubeRay set it
}  # fmt: skip
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
    """A head without CPUs, and what is added to it: by `add`, or by Ray's own autoscaler."""

    def __init__(
        self,
        kinds: Mapping[str, Any] | None = None,
        autoscaler: int = 2,
        environment: Mapping[str, str] | None = None,
        *,
        patient: bool = False,
        jobs: bool = False,
    ) -> None:
        """Starts the head.

        Args:
            kinds: of machines that the autoscaler may start, by name, as in the YAML of `ray up`; None for none.
            autoscaler: its version.
            environment: of all machines and of drivers, beside that of this process.
            patient: a silent machine counts as lost after 15 s, as by Ray's defaults, instead of 1.5 s.
            jobs: `ray job` finds it, at the address in `job_env`.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="w8k-", dir="/tmp"))  # short: Ray's sockets are in it
        self._port = free_port()
        self._kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self._kept |= {
            **(environment or {}),
            "RAY_TMPDIR": str(self.folder),
            "RAY_AUTH_MODE": "disabled",
            "RAY_BACKEND_LOG_LEVEL": "fatal",
        }
        self._machines: list[subprocess.Popen[bytes]] = []
        command = ["--head", f"--port={self._port}", "--num-cpus=0", f"--ray-client-server-port={free_port()}"]
        self._dashboard = free_port() if jobs else 0
        command += [f"--dashboard-port={self._dashboard}"] if jobs else ["--include-dashboard=false"]
        command += [f"--dashboard-agent-listen-port={free_port() if jobs else 0}", *self._autoscaling(kinds)]
        self._start(command, ({} if patient else QUICK) | (FAKE[autoscaler] if kinds else {}))
        self.address = (self.folder / "ray" / "ray_current_cluster").read_text().strip()

    def forget_ended(self) -> list[int]:
        """Returns the process ids of machines that have ended by themselves since the last call."""
        ended = [machine for machine in self.machines if machine.poll() is not None]
        for machine in ended:
            self._machines.remove(machine)
        return [machine.pid for machine in ended]

    @property
    def machines(self) -> tuple[subprocess.Popen[bytes], ...]:
        """All machines that were added and are not lost, oldest first."""
        return tuple(self._machines[1:])

    @property
    def env(self) -> dict[str, str]:
        """Environment of a driver that joins."""
        return {**self._kept, "RAY_ADDRESS": self.address}

    @property
    def job_env(self) -> dict[str, str]:
        """Environment of a shell that submits jobs."""
        return {**self._kept, "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{self._dashboard}"}

    def add(
        self, cpus: int, environment: Mapping[str, str] | None = None, **resources: float
    ) -> subprocess.Popen[bytes]:
        """Starts a machine, with an environment of its own; returns once it has joined."""
        command = [f"--address={self.address}", f"--num-cpus={cpus}", f"--resources={json.dumps(resources)}"]
        command.append("--dashboard-agent-listen-port=0")
        return self._start(command, dict(environment or {}))

    def lose(self, machine: subprocess.Popen[bytes]) -> None:
        """Ends a machine without warning."""
        self._machines.remove(machine)
        kill_family(machine)

    def lose_all(self) -> None:
        """Ends all machines but the head."""
        for machine in self.machines:
            self.lose(machine)

    def drain(self, resource: str) -> None:
        """Announces that the machine with a resource of this name will be taken away."""
        command = [sys.executable, "-c", DRAIN, self.address, resource]
        subprocess.run(command, env=self._kept, check=True, timeout=60)

    def close(self) -> None:
        """Ends all machines."""
        self.lose_all()
        if self._machines:
            kill_family(self._machines.pop())
        shutil.rmtree(self.folder, ignore_errors=True)

    def _autoscaling(self, kinds: Mapping[str, Any] | None) -> list[str]:
        if not kinds:
            return []
        provider: dict[str, Any] = {"type": "external", "module": PROVIDER, "gcs_address": f"127.0.0.1:{self._port}"}
        provider |= {"use_node_id_as_ip": True, "disable_node_updaters": True, "disable_launch_config_check": True}
        provider |= {"launch_multiple": True, "head_node_id": HEAD_ID}
        head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
        config = {
            "cluster_name": "small", "max_workers": 8, "idle_timeout_minutes": 5, "provider": provider,
            "head_node_type": HEAD_KIND, "available_node_types": {HEAD_KIND: head, **kinds},
            "auth": {}, "docker": {}, "file_mounts": {}, **{name: [] for name in UNUSED_LISTS},
            "upscaling_speed": 1.0, "file_mounts_sync_continuously": False,
        }  # fmt: skip
        file = self.folder / "autoscaling.json"
        file.write_text(json.dumps(config))
        return [f"--autoscaling-config={file}"]

    def _start(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [RAY, "start", "--block", "--disable-usage-stats", f"--object-store-memory={OBJECT_STORE_BYTES}"]
        log = self.folder / f"log-{uuid.uuid4().hex[:8]}"
        with log.open("w") as file:
            machine = subprocess.Popen(
                [*command, *arguments],
                env=self._kept | environment, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self._machines.append(machine)
        limit = time.monotonic() + SECONDS_TO_START
        while "will now block forever" not in (
            text := log.read_text()
        ):  # the last line; its address is written by then
            if machine.poll() is not None or time.monotonic() > limit:
                self.close()
                raise RuntimeError(f"a machine did not start within {SECONDS_TO_START} s:\n{text}")
            time.sleep(0.05)
        return machine
