"""The SLURM script with the commands of SLURM replaced by those of one machine: Ray and the run are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engine.run_log import read_run_log
from pipeline.engine.storage import Store
from tests.processes import free_port, kill_family, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
case $1 in
  show) tr , '\\n' <<< "$3" ;;
  requeue) echo "$2" >> "$SLURM_TEST/requeued" ;;
esac
"""
CONFIG = """
name: slurm
store: {folder}/store
nodes:
  faces: {{stage: index, dataset: {{kind: synthetic, images: 400, width: 320, height: 240}}, run: {{shard_rows: 4}}}}
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """What SLURM sets for a job of one machine, and its commands."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path))
    while not 20000 <= (port := free_port()) < 40000:
        pass  # the script makes its port of the job's number
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SLURM_"))}
    return kept | {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{kept['PATH']}", "SLURM_TEST": str(tmp_path),
        "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": str(port - 20000), "SLURM_JOB_NODELIST": "here",
        "SLURM_CPUS_PER_TASK": "2",
    }  # fmt: skip


def start(env: dict[str, str], folder: Path, log: str) -> subprocess.Popen[bytes]:
    command = ["bash", "jobs/cluster/slurm.sh", "-c", str(folder / "config.yaml")]
    with (folder / log).open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=file, stderr=file, start_new_session=True)


@pytest.mark.faults
def test_a_job_whose_time_is_nearly_over_is_queued_again_and_resumes(env, tmp_path):
    job, store = env["SLURM_JOB_ID"], Store(str(tmp_path / "store"))
    first = start(env, tmp_path, "first.log")
    try:
        wait_for(first, lambda: len(list(tmp_path.glob("store/faces/*/shard-*.json"))) >= 3)
        first.send_signal(signal.SIGUSR1)
        first.wait(90)
    finally:
        kill_family(first) if first.poll() is None else None
    text = (tmp_path / "first.log").read_text()
    assert "Ray runs on 1 machines at " in text
    assert "interrupted by SIGTERM; finished shards are kept" in text
    assert f"queued again, to resume: slurm-{job}" in text
    assert (tmp_path / "requeued").read_text().split() == [job]
    assert read_run_log(store, f"slurm-{job}")[-1]["outcome"] == "ended by Stopped: SIGTERM"
    assert not (tmp_path / "store/lock.json").exists()
    stored = len(list(tmp_path.glob("store/faces/*/shard-*.json")))
    assert stored < 100
    second = start(env, tmp_path, "second.log")
    try:
        assert second.wait(240) == 0, (tmp_path / "second.log").read_text()
    finally:
        kill_family(second) if second.poll() is None else None
    assert "done: 1 computed" in (tmp_path / "second.log").read_text()
    assert (tmp_path / "requeued").read_text().split() == [job], "a job that has ended is not queued again"
    events = read_run_log(store, f"slurm-{job}.2")
    assert sum(event.get("count", 1) for event in events if event["event"] == "shard done") == 100 - stored


def test_a_ray_that_does_not_start_ends_the_job_with_a_line(env, tmp_path):
    job = start(env | {"SLURM_CPUS_PER_TASK": "none"}, tmp_path, "job.log")
    try:
        assert job.wait(120) == 1
    finally:
        kill_family(job) if job.poll() is None else None
    *_, reason, line = (tmp_path / "job.log").read_text().splitlines()
    assert "'--num-cpus'" in reason
    assert line == "error: Ray did not start on here, for the reason above"
    assert not (tmp_path / "requeued").exists()
