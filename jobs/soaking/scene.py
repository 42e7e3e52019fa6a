"""Where faults happen: a cluster of machines on this one, a store, and the driver of the run that is under way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from jobs.benchmarks.slow_s3 import BUCKET, writes
from jobs.simulated.processes import kill_family
from jobs.simulated.small_cluster import SmallCluster
from jobs.soaking.clocks import Clock
from pipeline.engine.local_files import TEMPORARY
from pipeline.engine.storage import Store

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).parent / "soak.yaml"
MACHINES, FEWEST, MOST = 3, 2, 4  # beside the head; both processes of a training have room on any two
WAIT_MINUTES = 5


@dataclass
class Scene:
    """All that a fault can hit.

    Attributes:
        cluster: its machines.
        folder: of logs and clocks.
        chance: draws victims.
        s3: URL of the S3 stand-in, which has the bucket of S3 stores.
        disk: a small file system of its own for local stores; None where none could be made, `no_disk` says why.
        store: of the pass that is under way.
        driver: the process of the run, None between two.
        clocks: by process id of a machine; None for those of drivers.
    """

    cluster: SmallCluster
    folder: Path
    chance: random.Random
    s3: str
    disk: Path | None
    no_disk: str
    store: Store
    driver: subprocess.Popen[bytes] | None = None
    clocks: dict[int | None, Clock] = field(default_factory=dict)

    def add_machine(self) -> int:
        """Starts a machine of one CPU with a clock of its own; returns the id of its process."""
        clock = Clock(self.folder / f"clock-{len(list(self.folder.glob('clock-*')))}")
        machine = self.cluster.add(1, clock.environment)
        self.clocks[machine.pid] = clock
        return machine.pid

    def lose_machine(self) -> int:
        """Ends one of the machines without warning; returns the id its process had."""
        machine = self.chance.choice(self.cluster.machines)
        self.cluster.lose(machine)
        del self.clocks[machine.pid]
        return machine.pid

    def replace_ended(self) -> list[int]:
        """Starts a machine for each that has ended by itself, as Ray's do now and then; returns their process ids."""
        ended = self.cluster.forget_ended()
        for process in ended:
            del self.clocks[process]
            self.add_machine()
        return ended

    def submit(self, log: str) -> subprocess.Popen[bytes]:
        """Starts a run of the config on the cluster and returns its driver; its output is appended to a file."""
        clock = self.clocks.setdefault(None, Clock(self.folder / "clock-of-drivers"))
        words = ["run", *self.choice, "--wait-minutes", str(WAIT_MINUTES)]
        with open(log, "ab") as file:
            self.driver = subprocess.Popen(
                [sys.executable, "-m", "stages.cli.main", *words],
                cwd=ROOT, env=self.cluster.env | clock.environment, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        return self.driver

    def damaged(self, log: str) -> bool:
        """Returns whether anything of the store is not as it was written; all of it is read."""
        words = ["status", *self.choice, "--verify"]
        with open(log, "ab") as file:
            command = [sys.executable, "-m", "stages.cli.main", *words]
            done = subprocess.run(command, cwd=ROOT, env=os.environ, stdout=file, stderr=file, check=False)
        return done.returncode != 0

    def kill_driver(self) -> None:
        """Ends the run without warning."""
        if self.driver and self.driver.poll() is None:
            kill_family(self.driver)

    @property
    def choice(self) -> list[str]:
        """The config and the store as options of `wider8k`."""
        return ["-c", str(CONFIG), "--set", f"store={self.store.url}"]

    def written(self) -> set[tuple[str, int]]:
        """Returns what outputs and checkpoints there are, each with a number that changes when it is written again."""
        if not self.store.local:
            prefix = self.store.url.removeprefix(f"s3://{BUCKET}/") + "/"
            found = {n.removeprefix(prefix): count for n, count in writes(self.s3).items() if n.startswith(prefix)}
        else:
            found = dict(_times(Path(self.store.url)))
        return {(name, number) for name, number in found.items() if is_output(name)}


def is_output(name: str) -> bool:
    """Returns whether a file of a store is an output, a record of one, or a checkpoint."""
    top, _, rest = name.partition("/")
    passing = any(part in rest for part in ("_inflight/", "work/ray/", TEMPORARY))
    return bool(rest) and top != "runs" and not passing and rest.endswith((".parquet", ".json", ".pt", ".safetensors"))


def _times(folder: Path) -> list[tuple[str, int]]:
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place) / name
            try:
                found.append((str(file.relative_to(folder)), file.stat().st_mtime_ns))
            except FileNotFoundError:  # it was renamed, or an old checkpoint
                continue
    return found
