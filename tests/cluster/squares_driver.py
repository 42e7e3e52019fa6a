"""Drivers of small jobs on a cluster, and what they print."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cluster.test_ray_executor import checksums, values
from tests.processes import kill_family

ROOT = Path(__file__).resolve().parents[2]
SECONDS_FOR_A_LINE = 60


def start_squares(world: Any, env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Starts a driver that runs a `World`'s config; its output is that of a terminal's user."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.squares_job", str(world.folder / "config.yaml"), *arguments],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def read_until(driver: subprocess.Popen[str], *parts: str) -> str:
    """Returns what a driver prints up to a line with all of these parts; ends it and fails where none comes in time."""
    limit, text = time.monotonic() + SECONDS_FOR_A_LINE, ""
    assert driver.stdout
    for line in driver.stdout:
        text += line
        if all(part in line for part in parts):
            return text
        if time.monotonic() > limit:
            break
    if driver.poll() is None:
        kill_family(driver)
    raise AssertionError(f"no line with {parts}:\n{text}")


def ended(driver: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        text, _ = driver.communicate(timeout=150)
    finally:
        if driver.poll() is None:
            kill_family(driver)
    return driver.returncode, text


def assert_without_dumps(text: str) -> None:
    """Fails where Ray's own words are among those of the run."""
    assert not re.search(r"state-dump|Traceback|\(raylet\)|ray\.exceptions|\[E \d|WARNING", text), text


def at_a_pace(world: Any, numbers: int) -> None:
    """Makes a `World` of so many numbers, of which `squares` takes 0.3 s each."""
    world.numbers(range(numbers))
    (world.folder / "pace").write_text("0.3")


def assert_as_in_a_quiet_run(world: Any, numbers: int) -> None:
    """Fails where a row is lost or doubled, or where a run in one process gives other bytes."""
    assert values(world, "squares") == [(f"n{i:03d}", i * i) for i in range(numbers)]
    disturbed = checksums(world)
    for node in ("squares", "cubes", "total"):
        world.store.delete_folder(node)
    (world.folder / "pace").unlink()
    world.run()
    assert checksums(world) == disturbed
