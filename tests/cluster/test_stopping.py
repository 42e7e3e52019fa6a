"""A driver that gets a signal ends at once, with a line on how to go on, and nothing of it is left on the machine.

All the while somebody else's cluster runs on it, which is neither joined nor disturbed.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from ray._raylet import GcsClientOptions, GlobalStateAccessor

from tests.processes import command_of, free_port, hear_interrupts, kill_all, kill_family, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stranger:
    """A cluster that was there before, of the same folder for temporary files: where Ray looks for one to join."""

    address: str
    folder: Path
    head: psutil.Process

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return {**kept, "RAY_TMPDIR": str(self.folder), "RAY_AUTH_MODE": "disabled"}

    def sessions(self) -> set[str]:
        return {path.name for path in self.folder.glob("ray/session_2*")}

    def jobs(self) -> int:
        """Returns how many drivers it has ever seen; asking, without joining it, is none."""
        options = GcsClientOptions.create(self.address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=True)
        state = GlobalStateAccessor(options)
        assert state.connect()
        return len(state.get_job_table())


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    folder = Path(tempfile.mkdtemp(prefix="w8k-", dir="/tmp"))  # short: Ray's sockets lie in it
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "start", "--head", "--block", "--num-cpus=2", f"--port={free_port()}", "--include-dashboard=false"]
    command += [
        f"--ray-client-server-port={free_port()}",
        "--dashboard-agent-listen-port=0",
        "--object-store-memory=100000000",
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "disabled"}
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        told = folder / "ray" / "ray_current_cluster"
        wait_for(head, lambda: told.exists() and bool(told.read_text()))  # it is there before it says anything
        address = told.read_text().strip()
        yield Stranger(address, folder, psutil.Process(head.pid))
    finally:
        kill_family(head)
        shutil.rmtree(folder, ignore_errors=True)


def start(world, env: dict[str, str]) -> subprocess.Popen[str]:
    world.numbers(range(60))
    world.run(selected=frozenset({"numbers"}))  # a start on Ray less
    sets = ["squares.seconds=0.3", "cubes.seconds=0.3"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.squares_job", str(world.folder / "config.yaml"), *sets],
        cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts,
        start_new_session=True,
    )  # fmt: skip


def of_session(name: str) -> list[psutil.Process]:
    """Returns the daemons of a session of Ray: what they are started with names its folder."""
    return [p for p in psutil.process_iter(["cmdline"]) if name in " ".join(p.info["cmdline"] or ())]


def stop(driver: subprocess.Popen[str], signals: list[signal.Signals]) -> tuple[str, list[psutil.Process]]:
    """Sends the signals to the driver's group, as shells and schedulers do; where there are several, until it has ended.

    There are some milliseconds between them: as many moments of its end as can be had.

    Returns:
        what the driver said, and who of its family is left.
    """
    family = psutil.Process(driver.pid).children(recursive=True)
    try:
        for number in signals if len(signals) == 1 else itertools.cycle(signals):
            if driver.poll() is not None:
                break
            os.killpg(driver.pid, number)
            time.sleep(0.002)
        _, said = driver.communicate(timeout=40)
    finally:
        driver.kill()
        _, alive = psutil.wait_procs(family, timeout=5)
        kill_all(alive)
    return said, alive


@pytest.mark.parametrize(
    ("moment", "signals"),
    [
        ("work", [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]),
        ("start", [signal.SIGTERM]),
        pytest.param("start", [signal.SIGHUP], marks=pytest.mark.faults),
    ],
)
def test_nothing_is_left_of_a_stopped_driver_and_no_stranger_is_joined(world, stranger, moment, signals):
    before, jobs = stranger.sessions(), stranger.jobs()
    driver = start(world, stranger.env)
    begun = (world.folder / "trace").exists if moment == "work" else lambda: bool(stranger.sessions() - before)
    wait_for(driver, begun)
    said, alive = stop(driver, signals)
    # Python handles signals that wait for it in the order of their numbers, not in that of their coming.
    first = re.search(r"interrupted by (\w+); go on as before", said)
    assert first and signal.Signals[first[1]] in signals, said
    assert driver.returncode == 128 + signal.Signals[first[1]], said
    assert "Traceback" not in said
    assert alive == []
    assert not (world.folder / "store" / "lock.json").exists()
    (own,) = stranger.sessions() - before
    assert of_session(own) == []
    assert stranger.head.is_running()
    assert stranger.jobs() == jobs, "the driver joined the stranger"


def test_a_driver_that_had_joined_a_cluster_leaves_it_as_it_was(world, stranger):
    before, jobs = stranger.sessions(), stranger.jobs()
    driver = start(world, {**stranger.env, "RAY_ADDRESS": stranger.address})
    wait_for(driver, (world.folder / "trace").exists)
    said, _ = stop(driver, [signal.SIGTERM])
    assert driver.returncode == 143, said
    assert "interrupted by SIGTERM; go on as before" in said
    assert not (world.folder / "store" / "lock.json").exists()
    assert stranger.sessions() == before
    assert stranger.jobs() == jobs + 1, "it joined once"
    workers = [p for p in stranger.head.children(recursive=True) if "MapWorker" in command_of(p)]
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
