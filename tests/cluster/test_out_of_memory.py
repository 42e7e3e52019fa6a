"""An item that takes more memory than there is: the kernel, or Ray's own monitor, ends its worker, and only its row is lost.

A whole stage that does is given up after a few tries.

The kernel's limit is that of a control group made for the test, so that nothing else on the machine is in danger.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipeline.engine.manifest import Artifact, stored_manifests
from tests.lacking import lacks
from tests.processes import kill_family

pytestmark = [pytest.mark.ray, pytest.mark.faults]
ROOT = Path(__file__).resolve().parents[2]
GB = 2**30
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of 4 GB without swap; see `lacks` where none can be made."""
    v1 = V1.is_dir()
    parent, limit = (V1, "memory.limit_in_bytes") if v1 else (V2, "memory.max")
    swap, most = ("memory.memsw.limit_in_bytes", 4 * GB) if v1 else ("memory.swap.max", 0)  # v1's counts memory too
    made = parent / f"wider8k-test-{os.getpid()}"
    try:
        made.mkdir()
        (made / limit).write_text(str(4 * GB))
        if (made / swap).exists():  # not where the kernel counts no swap
            (made / swap).write_text(str(most))
    except OSError as error:
        with suppress(OSError):
            made.rmdir()
        lacks(f"no control group can be made here: {error}")
    yield made
    for _ in range(100):  # its processes are gone once their memory is given back
        with suppress(OSError):
            made.rmdir()
            return
        time.sleep(0.1)


def run(world, env: dict[str, str], group: Path | None, *sets: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.cluster.squares_job", str(world.folder / "config.yaml"), *sets]
    join = None if group is None else lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    driver = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True, preexec_fn=join
    )
    try:
        _, said = driver.communicate(timeout=250)
    except subprocess.TimeoutExpired:
        kill_family(driver)
        raise
    return driver.returncode, said


def quiet_and_greedy(world, env: dict[str, str], group: Path | None, size: int) -> str:
    """Runs twice, the second time with an item that reads a file of `size` bytes; returns that item's error."""
    world.run()
    quiet = {shard.name: shard.content_hash for shard in stored_manifests(world.store, "squares")[0].shards}
    world.store.delete_folder("squares")
    with (world.folder / "trace.n005").open("wb") as file:
        file.truncate(size)  # holes: no disk is needed
    code, said = run(world, env, group)
    assert code == 0, said
    (manifest,) = stored_manifests(world.store, "squares")
    rows = sorted((row["image_id"], row["value"]) for row in Artifact(world.store, manifest).rows())
    assert rows == [(f"n{i:03d}", 0 if i == 5 else i * i) for i in range(10)]
    assert sum(quiet[shard.name] == shard.content_hash for shard in manifest.shards) == 4
    ((key, error),) = manifest.errors
    assert key == "n005"
    return str(error)


def test_the_kernel_ends_a_worker_that_takes_too_much(world, group):
    error = quiet_and_greedy(world, {}, group, 16 * GB)
    cause = "the kernel ended a process for lack of memory"
    assert error == f"its worker process died 3 times on it, probably out of memory: {cause}"


def monitored() -> dict[str, str]:
    """Returns the environment of a Ray whose monitor's threshold is 3 GB above what is in use now."""
    memory = psutil.virtual_memory()
    if memory.available < 6 * GB:
        lacks(f"needs 6 GB of free memory, {memory.available / GB:.1f} there are")
    threshold = (memory.total - memory.available + 3 * GB) / memory.total
    return {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "50"}


def test_so_does_rays_own_monitor(world):
    error = quiet_and_greedy(world, monitored(), None, 5 * GB)
    assert error.startswith("its worker process died 3 times on it")


def greedy_whole(world, env: dict[str, str], group: Path | None, size: int) -> str:
    """Runs a whole stage that reads a file of `size` bytes; returns what was said of its end."""
    world.run(selected=frozenset({"numbers", "squares", "cubes"}))
    with (world.folder / "trace.total").open("wb") as file:
        file.truncate(size)
    code, said = run(world, env, group, f"total.path={world.folder / 'trace'}")
    assert code == 1, said
    return said


def test_a_whole_stage_that_the_kernel_ends_is_given_up(world, group):
    said = greedy_whole(world, {}, group, 16 * GB)
    cause = "probably out of memory: the kernel ended a process for lack of memory"
    assert f"total: failed: its process died 6 times, {cause}; reserve what it takes with run.memory_gb, or" in said


def test_so_is_one_that_rays_own_monitor_ends(world):
    """Which Ray itself would begin again without end."""
    assert "total: failed: its process died 6 times" in greedy_whole(world, monitored(), None, 5 * GB)
