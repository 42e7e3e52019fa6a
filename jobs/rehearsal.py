"""All of configs/full.yaml, tiny, on three machines with store and images on S3: submitted, stopped twice, resubmitted.

    uv run python jobs/rehearsal.py

Draws faces in the layout of WIDER FACE, runs every node once undisturbed in one process on local files, then as jobs on
a cluster of this machine with a stand-in for S3 that takes 20 ms a request, and compares the rows of every node.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `jobs` is no installed package

from jobs.benchmarks.slow_s3 import BUCKET, slow_s3, wait  # noqa: E402
from jobs.rehearsing.drawn_wider import write_drawn_wider  # noqa: E402
from jobs.rehearsing.jobs import job_ended, job_status, ray_job, wait_until  # noqa: E402
from jobs.simulated.small_cluster import SmallCluster  # noqa: E402
from pipeline.engine.config import load_config  # noqa: E402
from pipeline.engine.manifest import stored_manifests  # noqa: E402
from pipeline.engine.storage import Store  # noqa: E402
from stages.cli.tiny import tiny_sets  # noqa: E402
from stages.graph import STAGES  # noqa: E402

CONFIG, MACHINE = "configs/full.yaml", "cpu2"
MACHINES, CPUS = 3, 1
STOPS: Final = (0.25, 0.6)  # of the nodes that are finished by then
LOADERS: Final = ("detector_*.run.loaders=0", "ranker_*.run.loaders=0")  # threads: processes of their own cost more
CANVASES: Final = {"images": 2, "width": 256, "height": 144, "smallest": 12, "largest": 130, "finest": 36}
_TIMES: Final = {"detect_ms", "refine_ms"}
MEASURED: Final = {"table": _TIMES, "mosaic_table": _TIMES, "report": {"content"}}
"""Node -> columns with times of a run; the page of `report` has machines and versions too."""
SECONDS_OF_A_JOB: Final = 3600


def main(
    delay_ms: Annotated[float, typer.Option(min=0, help="Of every request to the stand-in for S3.")] = 20,
    images: Annotated[int, typer.Option(min=1, help="Of each of two events, for training and for validation.")] = 2,
) -> None:
    """Prints the log; exit code 1 where a row differs."""
    begun = time.monotonic()

    def log(line: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="wider8k-rehearsal-") as place, slow_s3() as server:
        folder, here = Path(place), Store(f"{place}/store")
        wider = write_drawn_wider(folder / "WIDER", images, 128, 96)
        far, there = f"s3://{BUCKET}/WIDER", Store(f"s3://{BUCKET}/store")
        for file in sorted(each for each in wider.rglob("*") if each.is_file()):
            Store(far).write(file.relative_to(wider).as_posix(), file.read_bytes())
        nodes = load_config(ROOT / CONFIG, STAGES, machine=MACHINE).graph.order
        run_undisturbed(sets_for(here.url, str(wider), folder))
        log(f"undisturbed, in one process, images and store on a disk: {finished(here)} of {len(nodes)} nodes")
        wait(server, delay_ms / 1000)
        with closing(SmallCluster(environment=machine_env(folder), patient=True, jobs=True)) as cluster:
            for _ in range(MACHINES):
                cluster.add(CPUS)
            env = cluster.job_env
            log(f"a cluster of {MACHINES} machines of {CPUS} core; {delay_ms:g} ms a request to {far} and {there.url}")
            for number, share in enumerate(STOPS, start=1):
                stop_midway(env, f"full-{number}", sets_for(there.url, far, folder), there, int(share * len(nodes)))
                log(f"full-{number} stopped with {finished(there)} nodes finished")
            log(f"full-3 {to_the_end(env, 'full-3', sets_for(there.url, far, folder))}")
        requests = wait(server, 0)
        differing = [node for node in nodes if contents(here, node) != contents(there, node)]
        log(
            f"{requests:,} requests; of {len(nodes)} nodes {len(nodes) - len(differing)} have equal rows, byte for byte"
        )
        columns = {node: differing_columns(here, there, node) for node in differing}
        for node, names in columns.items():
            log(f"{node} differs in {', '.join(names)}")
        sys.exit(0 if all(set(names) <= MEASURED.get(node, set()) for node, names in columns.items()) else 1)


def machine_env(home: Path) -> dict[str, str]:
    """Returns what the machines and those who submit to them have beside this process's environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "OMP_NUM_THREADS": "1"}


def sets_for(store: str, images: str, folder: Path) -> list[str]:
    """Returns the words of a command line that make the config tiny, on WIDER FACE in its official layout."""
    config = load_config(ROOT / CONFIG, STAGES, machine=MACHINE)
    tiny = [each for each in tiny_sets(config, folder) if "faces.dataset=" not in each]
    canvases = [f"canvas_faces.dataset.{name}={value}" for name, value in CANVASES.items()]
    return [
        word
        for each in (f"store={store}", f"*faces.path={images}", *tiny, *canvases, *LOADERS)
        for word in ("--set", each)
    ]


def run_undisturbed(words: Sequence[str]) -> None:
    """Runs every node in one process. Raises RuntimeError with what it printed where a node failed."""
    command = [sys.executable, "-m", "stages.cli.main", "run", "-c", CONFIG, "--machine", MACHINE, "--local", "--quiet"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def submit(env: Mapping[str, str], job: str, words: Sequence[str]) -> None:
    """Submits the pipeline as docs/clusters.md says it. Raises RuntimeError with what was printed."""
    command = [sys.executable, "jobs/submit.py", "--id", job, "-c", CONFIG, "--machine", MACHINE, *words]
    for _ in range(30):
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if "No available agent" not in done.stdout + done.stderr:  # the head is up a little before its job agent
            break
        time.sleep(1)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def stop_midway(env: Mapping[str, str], job: str, words: Sequence[str], store: Store, nodes: int) -> None:
    """Submits a job and stops it when so many nodes are finished. Raises RuntimeError where it ended before."""
    submit(env, job, words)
    wait_until(lambda: finished(store) >= nodes or job_ended(env, job), SECONDS_OF_A_JOB)
    ray_job(env, "stop", job)
    text = ray_job(env, "logs", job)
    if "interrupted by SIGTERM; finished shards are kept. Resume with: wider8k run" not in text:
        raise RuntimeError(f"{job} was not interrupted: {text}")


def to_the_end(env: Mapping[str, str], job: str, words: Sequence[str]) -> str:
    """Submits a job and returns the line with which its run ended. Raises RuntimeError where it failed."""
    submit(env, job, words)
    wait_until(lambda: job_ended(env, job), SECONDS_OF_A_JOB)
    text = ray_job(env, "logs", job)
    if job_status(env, job) != "SUCCEEDED":
        raise RuntimeError(text)
    return str(re.findall(r"done: .*", text)[-1])


def finished(store: Store) -> int:
    """Returns how many outputs of nodes are finished."""
    return sum("/manifest-" in f"/{name}" for name in store.below(""))


def contents(store: Store, node: str) -> tuple[list[str], Sequence[tuple[str, str]]]:
    """Returns the content hashes of an output's shards, and its error rows."""
    (manifest,) = stored_manifests(store, node)
    return [shard.content_hash for shard in manifest.shards], manifest.errors


def differing_columns(here: Store, there: Store, node: str) -> list[str]:
    """Returns the columns of an output whose values differ."""
    from pipeline.engine.manifest import Artifact

    ours, theirs = (list(Artifact(store, stored_manifests(store, node)[0]).rows()) for store in (here, there))
    if len(ours) != len(theirs):
        return ["the number of rows"]
    return sorted(
        {name for one, other in zip(ours, theirs, strict=True) for name in one if repr(one[name]) != repr(other[name])}
    )


if __name__ == "__main__":
    typer.run(main)
