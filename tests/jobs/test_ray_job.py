"""The whole pipeline as a job on a real cluster of this machine, as the README says it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.plan import Options
from pipeline.engine.run_log import read_run_log
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.graph import STAGES
from tests.processes import free_port, kill_family

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    *(f"{node}.dataset.{side}=160" for node in ("drawings", "faces") for side in ("width", "height")),
    "drawings.dataset.images=16", "faces.dataset.images=12", "boxes.run.shard_rows=4", "boxes.run.max_error_share=1",
    "boxes.run.workers=1", "detector.run.loaders=0",  # each one more is a process that imports Ray
    "detector.recipe={steps: 4, images: 16, batch: 4, crop: 128}",
]  # fmt: skip


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a shell that a `ray start --head` of its own is reachable from."""
    tmp_path = tmp_path_factory.mktemp("head")
    port, home = free_port(), tmp_path / "home"
    home.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    env |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}",
    }
    subprocess.run(["ray", "get-auth-token", "--generate"], env=env, check=True, stdout=subprocess.DEVNULL)
    command = ["ray", "start", "--head", "--block", "--num-cpus=2", f"--port={free_port()}", f"--dashboard-port={port}"]
    # The default port of the job agent is taken where the tests' own local cluster is up.
    command.append(f"--dashboard-agent-listen-port={free_port()}")
    log = (tmp_path / "head.log").open("w")
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/version", timeout=2).close()
                break
            except urllib.error.HTTPError:
                break  # it answers, and wants the token
            except OSError:
                assert process.poll() is None, (tmp_path / "head.log").read_text()
                time.sleep(0.2)
        yield env
    finally:
        # Asked to end, a head takes its time over daemons that are not needed any more.
        kill_family(process)


def submit(
    env: dict[str, str], store: Path, *arguments: str, how: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    sets = [word for each in (*SMALL, f"store={store}") for word in ("--set", each)]
    command = [
        "ray",
        "job",
        "submit",
        *how,
        "--working-dir",
        ".",
        "--",
        "python",
        "jobs/full_pipeline.py",
        "-c",
        "configs/smoke.yaml",
    ]
    for _ in range(10):
        done = subprocess.run(
            [*command, *sets, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
        )
        if "No available agent" not in done.stdout + done.stderr:  # the head is up a little before its job agent
            break
        time.sleep(1)
    return done


def test_a_job_of_indexes_a_training_and_a_dump_writes_what_this_process_writes(head, tmp_path, monkeypatch):
    """The rest of the pipeline is `test_graph`'s: every node's start on a cluster takes seconds of two cores."""
    done = submit(head, tmp_path / "there", "--until", "boxes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done: 4 computed, 0 reused" in done.stdout
    monkeypatch.chdir(ROOT)
    here = load_config(ROOT / "configs/smoke.yaml", STAGES, [*SMALL, f"store={tmp_path / 'here'}"])
    options = Options(frozenset(here.graph.select((), None, "boxes")))
    assert not Runner(here.graph, Store(here.store), options, LocalExecutor).run().failed
    for node in options.selected:
        (ours,), (theirs,) = (stored_manifests(Store(str(tmp_path / store)), node) for store in ("here", "there"))
        assert [shard.content_hash for shard in ours.shards] == [shard.content_hash for shard in theirs.shards], node


def test_a_stopped_job_says_how_to_go_on_and_frees_its_store(head, tmp_path):
    store, job = tmp_path / "store", ("--submission-id", "stopped")
    begun = submit(
        head, store, "--set", "drawings.dataset.images=100000", "--until", "drawings", how=(*job, "--no-wait")
    )
    assert begun.returncode == 0, begun.stdout + begun.stderr
    limit = time.monotonic() + 120
    while not list(store.glob("drawings/*/_inflight/*")):
        assert time.monotonic() < limit
        time.sleep(0.1)
    subprocess.run(["ray", "job", "stop", "stopped"], env=head, check=True, stdout=subprocess.DEVNULL, timeout=60)
    told = subprocess.run(["ray", "job", "logs", "stopped"], env=head, capture_output=True, text=True, timeout=60)
    assert "interrupted by SIGTERM; finished shards are kept. Resume with: wider8k run" in told.stdout + told.stderr
    assert not (store / "lock.json").exists()
    # The submission id is the run id.
    events = read_run_log(Store(str(store)), "stopped")
    assert events[0]["event"] == "run started"
    outcome = {"outcome": "ended by Stopped: SIGTERM", "failed": True}
    assert events[-1] | {"time": 0} == {"time": 0, "event": "run ended", **outcome}
