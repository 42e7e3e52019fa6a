"""A distributed stage of one worker: it goes on where its process died, and its own errors are said once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pyarrow as pa
import pytest

from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import Options
from pipeline.engine.run_log import read_run_log
from pipeline.engine.runner import Runner
from pipeline.engine.stage import Resources, Row, StageContext, WholeStage
from pipeline.engine.storage import Store
from pipeline.engine.worker_group import Prefetch
from tests.processes import command_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
STEPS = 6


class Walk(WholeStage):
    """Notes each step in the file `path`, and goes on behind the last one; a stand-in for a training.

    Attributes:
        deaths: how many times its process is killed, each behind one more step.
        mistake: message of an error at the first step.
    """

    name: ClassVar[str] = "walk"
    version: ClassVar[str] = "1"
    distributed: ClassVar[bool] = True
    output: ClassVar[pa.Schema] = pa.schema([pa.field("steps", pa.int64(), False)])

    deaths: int = 0
    mistake: str = ""

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns how many steps it took."""
        yield {"steps": ctx.worker_group(partial(_walk, Path(ctx.path or ""), self.deaths, self.mistake, ctx.log))}


def _walk(trace: Path, deaths: int, mistake: str, log: Callable[[str], None], prefetch: Prefetch) -> int:
    done = len(trace.read_text().splitlines()) if trace.exists() else 0
    for number in prefetch(_same, range(done, STEPS)):
        log(f"step {number}")
        if mistake:
            raise ValueError(mistake)
        with trace.open("a") as file:
            file.write(f"{number} {' '.join(_commands())}\n")
        if number < deaths:
            os.kill(os.getpid(), signal.SIGKILL)
    return len(trace.read_text().splitlines())


def _same(number: int) -> int:
    return number


def _commands() -> list[str]:
    """Returns the kinds of processes beside this one on its Ray that a training could start."""
    known = ("TrainController", "RayTrainWorker", "SingleProcess", "MapWorker")
    running = [command_of(process) for process in psutil.Process(os.getppid()).children()]
    return sorted({kind for kind in known for each in running if each.startswith(f"ray::{kind}")})


def walk(folder: Path, loaders: int = 0, **fields: Any) -> Outcome:
    resources = Resources(workers=1, loaders=loaders)
    graph = Graph([Node("walk", Walk(**fields), {}, str(folder / "trace"), resources)])
    return Runner(graph, Store(str(folder / "store")), Options(frozenset({"walk"})), RayExecutor).run()


def actors() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if "SingleProcess" in command_of(each)]


def rows(folder: Path) -> list[Row]:
    store = Store(str(folder / "store"))
    return list(Artifact(store, stored_manifests(store, "walk")[0]).rows())


def trace(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "trace").read_text().splitlines()]


def test_it_goes_on_where_its_process_died(tmp_path: Path) -> None:
    assert not walk(tmp_path, deaths=1).failed
    assert rows(tmp_path) == [{"steps": STEPS}]
    assert [int(number) for number, *_ in trace(tmp_path)] == list(range(STEPS))
    store = Store(str(tmp_path / "store"))
    events = [event for name in store.sizes("runs") for event in read_run_log(store, name.removesuffix(".jsonl"))]
    deaths = [event for event in events if event["event"] == "worker died"]
    assert [(event["node"], event["at"]) for event in deaths] == [("walk", "step 0")]


def test_one_that_dies_too_often_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.single_process.RESTARTS", 1)
    outcome = walk(tmp_path, deaths=100)
    assert list(outcome.failed) == ["walk"]
    assert "died" in outcome.failed["walk"]
    assert len(trace(tmp_path)) == 2


def test_an_error_of_its_own_is_said_at_once(tmp_path: Path) -> None:
    outcome = walk(tmp_path, mistake="no face to learn from")
    assert outcome.failed == {"walk": "no face to learn from"}
    assert psutil.wait_procs(actors(), timeout=10)[1] == [], "an actor that failed keeps its resources"


def test_batches_come_from_loader_processes_and_nothing_else_is_started(tmp_path: Path) -> None:
    assert not walk(tmp_path, loaders=1).failed
    assert [int(number) for number, *_ in trace(tmp_path)] == list(range(STEPS))
    assert {tuple(kinds) for _, *kinds in trace(tmp_path)} == {("MapWorker", "SingleProcess")}
