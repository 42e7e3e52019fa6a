"""A training through Ray Train and Ray Data, and the bare loop over the same batches in memory, step for step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from jobs.benchmarks.prerequisites import in_new_process, prepare, require_success
from jobs.benchmarks.results import Measured, cores, more_is_better
from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.executor import Executor
from pipeline.engine.graph import Graph
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.plan import Options, context, plan
from pipeline.engine.runner import Runner
from pipeline.engine.stage import WorkDir
from pipeline.engine.storage import Store
from pipeline.training.loop.metrics_log import MetricsLog
from stages.base_training import TrainingStage

FIRST = 5  # steps that do not count: loaders start, memory is allocated, kernels are chosen
HELD = 16  # batches that the bare loop cycles through


@dataclass(frozen=True)
class Course:
    """A training to be measured; picklable. `node` is of a `TrainingStage`; the store is on this machine's disks."""

    graph: Graph
    node: str
    store: Store

    @property
    def recipe(self) -> Any:
        """Recipe of the training."""
        return self.graph.nodes[self.node].stage.recipe  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the steps of one training, without the first ones.

    Attributes:
        step: of one, with everything between two of them.
        part: of it, waiting for data in our training, the assigner in the bare loop of a detector (on the host: what it
            hands to a GPU it does not wait for), 0 in that of a ranker.
    """

    step: float
    part: float


def step_rows(name: str, ours: Spent, bare: Spent) -> list[Measured]:
    """Returns steps/s of both, and our share of waiting."""
    return [
        more_is_better(f"{name}, steps/s", 1 / ours.step, 1 / bare.step),
        Measured(f"{name}, % of the time spent waiting for data", 100 * ours.part / ours.step),
    ]


def compared(course: Course, rounds: int) -> tuple[Spent, Spent]:
    """Returns medians of our training and of the bare loop, each in processes of its own, in turn."""
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(run_training(course))
        bare.append(in_new_process(bare_training, course))
    return _median(ours), _median(bare)


def run_training(course: Course, make_executor: Callable[[], Executor] = RayExecutor) -> Spent:
    """Returns the times of a training through the pipeline, from its own log.

    Raises:
        RuntimeError: it failed.
    """
    prepare(course.graph, course.node, course.store)
    require_success(Runner(course.graph, course.store, Options(frozenset({course.node})), make_executor).run())
    (manifest,) = stored_manifests(course.store, course.node)
    entries = MetricsLog(course.store, f"{manifest.folder}/work", course.recipe.steps).entries()
    counted = [entry for entry in entries if "loss" in entry and entry["step"] > FIRST]
    seconds = [course.recipe.batch / entry["images_per_second"] for entry in counted]
    waited = [each * entry["wait_share"] for each, entry in zip(seconds, counted, strict=True)]
    return Spent(sum(seconds) / len(seconds), sum(waited) / len(seconds))


def bare_training(course: Course) -> Spent:
    """Returns the times of the plain loop over batches in memory; the training's inputs are stored already.

    On a GPU a step is read after the next one is launched, as ours are.
    """
    import torch

    from pipeline.training.loop.determinism import channels_last, deterministic, set_norms
    from pipeline.training.loop.device_prefetch import DevicePrefetch
    from pipeline.training.loop.trainer import Trainer

    training = _training(course)
    torch.set_num_threads(training.threads)
    held = [training.batches(step) for step in range(min(HELD, training.recipe.steps))]
    device = torch.device("cuda" if training.accelerated else "cpu")
    model = training.task.build().to(device)
    set_norms(model, training.recipe.norms)
    spent: list[float] = []
    steps, parts = [], []
    with deterministic(), channels_last(model):
        trainer = Trainer(_timed(training.task, model, spent), model)
        coming = (held[step % len(held)] for step in range(training.recipe.steps))
        staging = DevicePrefetch(coming, model.normalisation, device, early=training.accelerated)
        pending: deque[Any] = deque()
        for _ in range(training.recipe.steps):
            begun, before = time.perf_counter(), len(spent)
            pending.append(trainer.begin(staging.take().batch))
            staging.prepare()
            while len(pending) > int(training.accelerated):
                pending.popleft().read()
            steps.append(time.perf_counter() - begun)
            parts.append(sum(spent[before:]))
    return Spent(sum(steps[FIRST:]) / len(steps[FIRST:]), median(parts[FIRST:]))


def course_note(course: Course, data: str, rounds: int) -> str:
    """Returns the conditions of the figures; `data` says what the images are and what is cut out."""
    return (
        f"{course.recipe.steps} steps, the first {FIRST} not counted, {data}; one process of {cores()} threads "
        f"and one loader process beside it, on {cores()} cores; the peer: the same step, its {HELD} batches decoded "
        f"and cropped in memory, no log, no checkpoint; medians of {rounds} rounds"
    )


def _training(course: Course) -> Any:
    """Returns the `Training` that the node itself would run."""
    plans = plan(course.graph, course.store, Options(frozenset()))
    stage = course.graph.nodes[course.node].stage
    assert isinstance(stage, TrainingStage)
    ctx = context(course.graph, course.node, plans, stage.file_hashes(course.graph.nodes[course.node].path))
    return stage.training(replace(ctx, work_dir=WorkDir(course.store, "bare")))


@dataclass(frozen=True)
class _Timed:
    """An assigner, or one of its plans, that records the seconds of every call."""

    inner: Any
    spent: list[float]

    @property
    def needs_prediction(self) -> bool:
        needs: bool = self.inner.needs_prediction
        return needs

    def prepare(self, *arguments: Any) -> _Timed:
        return replace(self, inner=self._clocked(lambda: self.inner.prepare(*arguments)))

    def to(self, device: Any) -> _Timed:
        return replace(self, inner=self._clocked(lambda: self.inner.to(device)))

    def complete(self, predicted: Any) -> Any:
        return self._clocked(lambda: self.inner.complete(predicted))

    def _clocked(self, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = work()
        self.spent.append(time.perf_counter() - begun)
        return result


def _timed(task: Any, model: Any, spent: list[float]) -> Any:
    """Returns the task, whose assigner, if it has one, records its seconds."""
    from pipeline.training.tasks.detector import DetectorTask, assigner_of

    if not isinstance(task, DetectorTask):
        return task
    timed: Any = _Timed(assigner_of(model, task.recipe), spent)
    return replace(task, assigner=timed)


def _median(rounds: list[Spent]) -> Spent:
    return Spent(median(each.step for each in rounds), median(each.part for each in rounds))
