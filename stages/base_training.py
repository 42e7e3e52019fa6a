"""Base of the training stages: first weights, worker processes, a checkpoint, a log."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from pydantic import Field

from pipeline.data.schemas import CHECKPOINT
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import AUTO, Resources, Row, StageContext, WholeStage
from pipeline.engine.worker_group import Prefetch
from pipeline.inference.worker import planned_weights
from pipeline.models.checkpoint import Checkpoint
from pipeline.training.recipes.base import Repeatable

if TYPE_CHECKING:
    from pipeline.training.data.sampler import Source
    from pipeline.training.loop.session import Training
    from pipeline.training.loop.validator import Validator
    from pipeline.training.tasks.task import Task

MEASURED = ("images_per_second", "wait_share", "memory_mb")  # of a log entry; they stay in the work folder


class TrainingStage(WholeStage):
    """Trains in this process or several on a cluster; resumes from the newest checkpoint.

    The first weights are a file in the node's `path`, or those of the node wired to `start`, or random.

    Attributes:
        checkpoint_seconds: seconds between two checkpoints; not part of the fingerprint.
        repeatable: whether a GPU gives the same bytes again: "required" refuses an operation that cannot, "preferred"
            warns of it, "off" takes the fastest ones. A CPU always does. Like the kind of the device, not part of the
            fingerprint, though the last digits of the weights depend on both.
    """

    output: ClassVar[pa.Schema] = CHECKPOINT
    distributed: ClassVar[bool] = True

    checkpoint_seconds: float = Field(120.0, gt=0, exclude=True)
    repeatable: Repeatable = Field("preferred", exclude=True)

    @abstractmethod
    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a file of first weights is of another network."""

    @abstractmethod
    def training(self, ctx: StageContext) -> Training:
        """Returns the training; raises ValueError for every mistake that can be found before it starts."""

    def assembled(
        self, ctx: StageContext, task: Task[Any, Any], source: Source[Any, Any], validator: Validator | None
    ) -> Training:
        """Returns the training of a task on images, in the node's work folder and with its resources."""
        from pipeline.training.data.sampler import BatchSampler
        from pipeline.training.loop.session import Training

        assert ctx.work_dir is not None
        return Training(
            task=task,
            batches=BatchSampler(source, task.recipe.batch, task.recipe.seed, task.recipe.sides),
            store=ctx.work_dir.store,
            folder=ctx.work_dir.folder,
            validator=validator,
            threads=max(1, int(ctx.resources.cpus)),
            accelerated=ctx.resources.gpus > 0,
            checkpoint_seconds=self.checkpoint_seconds,
            repeatable=self.repeatable,
            bad_share=ctx.resources.max_error_share,
        )

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError for two sources of first weights."""
        if path and inputs.get("start"):
            raise ValueError("expected first weights either as a file in `path` or from inputs.start, found both")

    def fits(self, resources: Resources) -> None:
        """Raises ValueError for shares of GPUs that processes cannot train on together."""
        workers, gpus = resources.workers, resources.gpus
        if workers == AUTO:
            raise ValueError(
                "workers is auto, which is for stages that work shard by shard; the processes of a training share each "
                "batch: take run.workers=1, or the number of GPUs"
            )
        if gpus in (0, 1) or (gpus < 1 and workers == 1):
            return
        if gpus < 1:
            raise ValueError(
                f"gpus is {gpus:g} for {workers} workers, and processes that train together cannot share a GPU: "
                "take run.workers=1, or run.gpus=1 for each"
            )
        raise ValueError(
            f"gpus is {gpus:g}, and a process trains on one GPU: "
            f"take run.gpus=1, and run.workers={int(workers * gpus)} for that many GPUs"
        )

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns the content hash of the file of first weights, if there is one; ValueError where it does not fit."""
        if not path:
            return {}
        self.resolve(weights := Checkpoint(path))
        return {"weights": weights.content_hash}

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the checkpoint as one row.

        Raises:
            ValueError: nothing to learn from, first weights of another architecture.
        """
        from pipeline.training.loop.metrics_log import MetricsLog
        from pipeline.training.loop.session import FINAL

        assert ctx.work_dir is not None
        training = self.training(ctx)
        ctx.worker_group(partial(_train, training, ctx.log))
        store, folder = ctx.work_dir.store, ctx.work_dir.folder
        weights = store.read(f"{folder}/{FINAL}")
        checkpoint = Checkpoint(weights)
        entries = MetricsLog(store, folder, training.recipe.steps).entries()
        yield {
            "detector": training.task.name,
            "config": json.dumps(checkpoint.config, sort_keys=True),
            "content_hash": checkpoint.content_hash,
            "weights": weights,
            "loss": [entry["loss"]["total"] for entry in entries if "loss" in entry],
            "log": "".join(json.dumps(_untimed(entry), sort_keys=True) + "\n" for entry in entries).encode(),
        }

    def notes(self, output: Artifact) -> list[str]:
        """Returns how many images could not be read, by the last step of the log."""
        entries = [json.loads(line) for row in output.rows(["log"]) for line in (row["log"] or b"").splitlines()]
        bad = next((entry["bad_images"] for entry in reversed(entries) if "bad_images" in entry), 0)
        return [f"{bad} images cannot be read: nothing was learnt from them"] if bad else []

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the weights as a safetensors file, and the log as JSON lines."""
        return {
            f"{node}.safetensors": lambda rows: bytes(rows[0]["weights"]),
            f"{node}.jsonl": lambda rows: bytes(rows[0]["log"]),
        }


def first_weights(ctx: StageContext) -> bytes | None:
    """Returns the checkpoint that a training starts from, or None where it starts from random weights.

    Raises:
        ValueError: the file at `path` has changed since the run was planned.
    """
    return planned_weights(ctx, "start") if ctx.path or ctx.inputs.get("start") else None


def _untimed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an entry without measured times and memory: equal work gives equal bytes."""
    return {name: value for name, value in entry.items() if name not in MEASURED}


def _train(training: Training, log: Callable[[str], None], prefetch: Prefetch) -> None:
    """Runs in every process of the training."""
    import cv2

    from pipeline.training.loop.session import run

    cv2.setNumThreads(1)
    run(training, prefetch, log)
