"""Training on Ray: processes and drivers die, clusters change their size, and the weights come out the same."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from jobs.simulated.small_cluster import SmallCluster
from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.config import load_config
from pipeline.engine.executor import Executor, LocalExecutor
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.graph import STAGES
from tests.cluster.squares_driver import assert_without_dumps, ended, read_until
from tests.processes import command_of, hear_interrupts, kill_family, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
STEPS = 24
CONFIG = f"""
name: train
store: {{store}}
nodes:
  drawings:
    stage: index
    dataset: {{kind: synthetic, split: train, images: 24, width: 96, height: 96}}
  few:
    stage: index
    dataset: {{kind: synthetic, split: test, images: 6, width: 96, height: 96}}
  detector:
    stage: train_detector
    inputs: {{samples: drawings, held_out: few}}
    recipe: {{steps: {STEPS}, batch: 8, crop: 64, warmup: 4, norms: frozen, ema_decay: 0.9, eval_every: 10, select: best}}
    checkpoint_seconds: 0.001
    run: {{workers: 2, cpus: 0.5}}
  burst:
    stage: train_detector
    inputs: {{samples: drawings}}
    recipe:
      {{steps: {STEPS}, batch: 8, crop: 64, warmup: 4, norms: frozen, learning_rate: 1.0e+30, clip_norm: null}}
    checkpoint_seconds: 0.001
    run: {{workers: 2, cpus: 0.5}}
"""

ONLY = ("--until", "detector")


def config(store: Path) -> Path:
    """Writes the config above for a store of its own beside it."""
    file = store.parent / f"{store.name}.yaml"
    file.write_text(re.sub(r"\{\{|\}\}", lambda found: found[0][0], CONFIG.replace("{store}", str(store))))
    return file


def command(store: Path, *options: str) -> list[str]:
    """Returns a run of the config above, with a cluster of its own."""
    return [sys.executable, "-m", "stages.cli.main", "run", "-c", str(config(store)), *options]


def run_here(
    store: Path, executor: Callable[[], Executor], until: Sequence[str] = ("detector",), sets: Sequence[str] = ()
) -> None:
    """Runs the config above from this process up to some nodes."""
    graph = load_config(config(store), STAGES, sets).graph
    chosen = frozenset().union(*(graph.select((), None, node) for node in until))
    outcome = Runner(graph, Store(str(store)), Options(chosen), executor).run()
    assert not outcome.failed and not outcome.blocked


def checkpoints(store: Path, node: str = "detector") -> list[int]:
    """Returns the steps there are checkpoints of."""
    return sorted(int(file.stem.removeprefix("step-")) for file in store.glob(f"{node}/*/work/step-*.pt"))


def family_of(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(driver.pid).children(recursive=True)


def trainers(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return [process for process in family_of(driver) if "RayTrainWorker" in command_of(process)]


def kill_the_only(driver: subprocess.Popen[bytes], kind: str, store: Path) -> None:
    """Kills the driver's process of a kind in the middle of the training, which goes on to its end all the same."""
    wait_for(driver, lambda: checkpoints(store)[-1:] >= [4])
    (process,) = [each for each in family_of(driver) if kind in command_of(each)]
    process.kill()
    assert checkpoints(store)[-1] < STEPS
    _, said = driver.communicate(timeout=200)
    assert driver.returncode == 0, said.decode()


def log(store: Path) -> list[dict]:
    return [json.loads(line) for line in (store / "detector.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> Path:
    """Store in which the images are indexed: two nodes that every run on Ray would begin with."""
    store = tmp_path_factory.mktemp("indexed") / "store"
    run_here(store, LocalExecutor, ("drawings", "few"))
    return store


@pytest.fixture(scope="module")
def quiet(tmp_path_factory, cluster, indexed) -> Path:
    """Store of an undisturbed run with two processes."""
    store = shutil.copytree(indexed, tmp_path_factory.mktemp("train") / "quiet")
    run_here(store, RayExecutor)
    return store


@pytest.mark.faults
def test_killed_processes_and_a_killed_driver_change_nothing(quiet, indexed, tmp_path):
    store = shutil.copytree(indexed, tmp_path / "killed")
    driver = subprocess.Popen(command(store, *ONLY), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(driver, lambda: checkpoints(store)[-1:] >= [4])
    victim = trainers(driver)[-1]
    victim.kill()
    reached = checkpoints(store)[-1]
    assert reached < STEPS
    wait_for(driver, lambda: checkpoints(store)[-1] > reached + 2)
    kill_family(driver)
    assert checkpoints(store)[-1] < STEPS, "the kill came too late to show anything"
    assert not (store / "detector.safetensors").exists()
    subprocess.run(command(store, *ONLY), cwd=ROOT, check=True, timeout=300, stdout=subprocess.DEVNULL)
    assert (store / "detector.safetensors").read_bytes() == (quiet / "detector.safetensors").read_bytes()
    assert [entry["step"] for entry in log(store)] == [entry["step"] for entry in log(quiet)]
    assert [entry.get("loss") for entry in log(store)] == [entry.get("loss") for entry in log(quiet)]
    assert [entry.get("ap") for entry in log(store)] == [entry.get("ap") for entry in log(quiet)]


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["TrainController", "compute_whole"])
def test_a_killed_supervisor_changes_nothing(quiet, indexed, tmp_path, kind):
    """Ray Train's controller, or the task that waits for it: with that one go the controller and its processes."""
    store = shutil.copytree(indexed, tmp_path / "killed")
    driver = subprocess.Popen(command(store, *ONLY), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    kill_the_only(driver, kind, store)
    assert (store / "detector.safetensors").read_bytes() == (quiet / "detector.safetensors").read_bytes()
    assert [entry["step"] for entry in log(store)] == [entry["step"] for entry in log(quiet)]


@pytest.mark.faults
def test_a_stopped_training_leaves_its_checkpoints_and_no_process(indexed, tmp_path):
    store = shutil.copytree(indexed, tmp_path / "stopped")
    driver = subprocess.Popen(
        command(store, *ONLY), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=hear_interrupts
    )
    wait_for(driver, lambda: checkpoints(store)[-1:] >= [4])
    family = family_of(driver)
    assert trainers(driver)
    driver.send_signal(signal.SIGTERM)
    _, said = driver.communicate(timeout=40)
    assert driver.returncode == 143, said.decode()
    assert b"interrupted by SIGTERM; finished shards are kept. Resume with: wider8k run" in said
    assert b"Traceback" not in said
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert checkpoints(store)
    assert not (store / "lock.json").exists()
    assert not (store / "detector.safetensors").exists()


@pytest.mark.faults
def test_a_training_that_loses_a_machine_waits_and_the_same_job_goes_on_with_fewer_processes(quiet, indexed, tmp_path):
    store, machines = shutil.copytree(indexed, tmp_path / "lost"), SmallCluster()
    job = command(store, *ONLY, "--set", "detector.run={workers: 2, cpus: 1}", "--wait-minutes", "0.4")
    try:
        lost, _ = machines.add(1), machines.add(1)
        driver = subprocess.Popen(
            job, cwd=ROOT, env=machines.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        wait_for(driver, lambda: checkpoints(store)[-1:] >= [4])
        gathering = [p for p in psutil.process_iter() if "UsageCollection" in command_of(p)]
        assert gathering == [], "a training on a joined cluster gathers usage"
        machines.lose(lost)
        text = read_until(driver, "detector: the cluster has no room for 2 workers of 1 cpus", "waiting until")
        code, rest = ended(driver)
        assert code == 1
        assert "detector: failed: no machine joined within 24 s" in rest
        reached = checkpoints(store)[-1]
        assert reached < STEPS
        done = subprocess.run(job, cwd=ROOT, env=machines.env, timeout=200, capture_output=True, text=True, check=False)
    finally:
        machines.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "detector: 2 workers of 1 cpus each are wished for, and the cluster has room for 1" in done.stderr
    assert_without_dumps(text + rest + done.stderr)
    ours, theirs = ([entry["loss"]["total"] for entry in log(each) if "loss" in entry] for each in (store, quiet))
    assert len(ours) == len(theirs) == STEPS
    np.testing.assert_allclose(ours[:20], theirs[:20], rtol=1e-5)


@pytest.mark.faults
def test_a_killed_training_of_one_process_ends_in_the_same_bytes(indexed, tmp_path):
    alone, killed = (shutil.copytree(indexed, tmp_path / name) for name in ("alone", "killed"))
    one = "detector.run={workers: 1, cpus: 0.5}"
    run_here(alone, LocalExecutor, sets=[one])
    driver = subprocess.Popen(command(killed, *ONLY, "--set", one), cwd=ROOT, stderr=subprocess.PIPE)
    kill_the_only(driver, "SingleProcess", killed)
    assert (killed / "detector.safetensors").read_bytes() == (alone / "detector.safetensors").read_bytes()
    assert [entry.get("loss") for entry in log(killed)] == [entry.get("loss") for entry in log(alone)]


@pytest.mark.usefixtures("cluster")
def test_one_process_gives_what_two_gave(indexed, tmp_path):
    """Here without Ray: the same function in this process. A resized cluster is the same thing from some step on."""
    alone, both, few = tmp_path / "alone", shutil.copytree(indexed, tmp_path / "both"), "detector.recipe.steps=12"
    run_here(alone, LocalExecutor, sets=[few])
    run_here(both, RayExecutor, sets=[few, "detector.run.loaders=0"])
    left = [p for p in psutil.Process().children(recursive=True) if "TrainController" in command_of(p)]
    assert psutil.wait_procs(left, timeout=5)[1] == [], "a controller is left after its training"
    ours, theirs = ([entry["loss"]["total"] for entry in log(each) if "loss" in entry] for each in (alone, both))
    assert len(ours) == len(theirs) == 12
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.faults
def test_what_has_no_use_stops_at_once_and_says_why(indexed, tmp_path):
    """The message itself, of two processes without Ray, is in `tests/training/loop/test_session_in_two.py`."""
    store = shutil.copytree(indexed, tmp_path / "store")
    done = subprocess.run(command(store), cwd=ROOT, timeout=300, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert re.search(r"of step \d+ is not finite", said)
    assert len(set(re.findall(r"train/\d{6}", said))) >= 8, "all images of the step, those of both processes"
    assert checkpoints(store, "burst"), "the last good checkpoint stays"
    assert not (store / "burst.safetensors").exists()
    assert (store / "detector.safetensors").exists(), "it stops what depends on it and nothing else"
