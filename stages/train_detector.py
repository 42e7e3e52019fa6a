"""Samples to a checkpoint: one detector trained, in this process or several on a cluster, resumed wherever it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from pipeline.data.records import Sample
from pipeline.data.schemas import CHECKPOINT, SAMPLES
from pipeline.engine.gang import Stream
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.models.detectors import detector_spec
from pipeline.models.identity import digest, resolve_detector
from pipeline.training.recipe import PRESETS, TrainingRecipe
from stages.image_source import image_source

if TYPE_CHECKING:
    from pipeline.training.run import Training

MEASURED = ("images_per_second", "wait_share", "memory_mb")  # of an entry of the log; they stay in the work folder


class TrainDetector(WholeStage):
    """Training with the losses of the detector's own paper, see `task_of`.

    The first weights are random, or ImageNet's where the switch `pretrained` says so, or those of a checkpoint: a file
    in the node's `at`, or the node wired to `start`. Images wired to `held_out` are judged every `recipe.judged_every`
    steps and at the end; nothing is learnt from them.

    Attributes:
        detector: entry of `DETECTORS`.
        switches: arguments of its factory, the ablations of its paper.
        recipe: every number that decides the outcome; a config names those that differ from the defaults, or from
            those of `preset`, an entry of `PRESETS`.
        saved_every: seconds between two checkpoints; not part of what comes out.
    """

    name: ClassVar[str] = "train_detector"
    version: ClassVar[str] = "2"
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "held_out": Port(SAMPLES, optional=True),
        "start": Port(CHECKPOINT, optional=True),
    }
    output: ClassVar[pa.Schema] = CHECKPOINT
    spreads: ClassVar[bool] = True
    published: ClassVar[tuple[str, ...]] = ("{node}.safetensors", "{node}.jsonl")

    detector: str = "retinaface_mobilenet"
    switches: dict[str, Any] = Field(default_factory=dict)
    recipe: TrainingRecipe = TrainingRecipe()
    saved_every: float = Field(120.0, gt=0, exclude=True)

    @field_validator("detector")
    @classmethod
    def _detector(cls, value: str) -> str:
        detector_spec(value)
        return value

    @field_validator("recipe", mode="before")
    @classmethod
    def _preset(cls, value: object) -> object:
        if not isinstance(value, Mapping) or "preset" not in value:
            return value
        if value["preset"] not in PRESETS:
            raise ValueError(f"no preset {value['preset']!r}; there are {', '.join(PRESETS)}")
        return {**asdict(PRESETS[value["preset"]]), **{name: each for name, each in value.items() if name != "preset"}}

    def check(self, at: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError for two sources of first weights, or a file of another detector."""
        if at and inputs.get("start"):
            raise ValueError("expected first weights either as a file in `at` or from inputs.start, found both")
        if at:
            try:
                resolve_detector(at, self.detector)
            except ValueError as error:
                raise ValueError(f"{at}: {error}") from None

    def externals(self, at: str | None) -> Mapping[str, str]:
        """Returns the digest of the file of first weights, if there is one."""
        return {"weights": digest(at)} if at else {}

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the checkpoint as one row.

        Raises:
            ValueError: no face, faces that no anchor can match, first weights of another architecture.
        """
        from pipeline.training.journal import Journal
        from pipeline.training.run import FINAL

        assert ctx.workplace is not None
        training = self._training(ctx)
        ctx.gang(partial(_trained, training, ctx.say))
        store, folder = ctx.workplace.store, ctx.workplace.folder
        weights = store.read(f"{folder}/{FINAL}")
        entries = Journal(store, folder, self.recipe.steps).entries()
        config = {"detector": self.detector, "switches": self.switches, "recipe": asdict(self.recipe)}
        yield {
            "detector": self.detector,
            "config": json.dumps(config, sort_keys=True),
            "digest": digest(weights),
            "weights": weights,
            "loss": [entry["loss"]["total"] for entry in entries if "loss" in entry],
            "log": "".join(json.dumps(_untimed(entry), sort_keys=True) + "\n" for entry in entries).encode(),
        }

    def publish(self, rows: Iterable[Row]) -> list[bytes]:
        """Returns the weights as a file that `wider8k detect --weights` opens, and the log as JSON lines."""
        return [content for row in rows for content in (row["weights"], row["log"])]

    def _training(self, ctx: StageContext) -> Training:
        from pipeline.training.batches import Batches
        from pipeline.training.first_weights import first_detector
        from pipeline.training.matchable import require_matchable
        from pipeline.training.pictures import Pictures
        from pipeline.training.run import Training
        from stages.held_out import HeldOut

        assert ctx.workplace is not None
        usable = _usable(ctx.one("samples"), self.recipe.images)
        weights = _first_weights(ctx)
        # Built here once for its anchors and to find out before any process starts whether the weights fit.
        detector = first_detector(self.detector, self.recipe.seed, self.switches, weights)
        try:
            require_matchable(usable, detector.grid, self.recipe)
        except ValueError as error:
            raise ValueError(f"{ctx.one('samples').node}: {error}") from None
        judge = None
        accelerated = ctx.resources.gpus > 0
        if held_out := ctx.inputs.get("held_out"):
            judge = HeldOut(_usable(held_out[0], None), image_source(ctx, held_out[0]), accelerated)
        pictures = Pictures(usable, image_source(ctx, ctx.one("samples")), self.recipe, detector.normalisation.mean_bgr)
        return Training(
            detector=self.detector,
            switches=self.switches,
            recipe=self.recipe,
            batches=Batches(pictures, self.recipe.batch, self.recipe.seed, self.recipe.sides),
            store=ctx.workplace.store,
            folder=ctx.workplace.folder,
            weights=weights,
            judge=judge,
            threads=max(1, int(ctx.resources.cpus)),
            accelerated=accelerated,
            saved_every=self.saved_every,
            bad_share=ctx.resources.max_error_share,
        )


def _untimed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an entry without what differs from run to run: equal work gives equal bytes."""
    return {name: value for name, value in entry.items() if name not in MEASURED}


def _trained(training: Training, say: Callable[[str], None], stream: Stream) -> None:
    """Runs in every process of the training."""
    import cv2

    from pipeline.training.run import run

    cv2.setNumThreads(1)
    run(training, stream, say)


def _first_weights(ctx: StageContext) -> bytes | None:
    if ctx.at:
        from pathlib import Path

        return Path(ctx.at).read_bytes()
    if not ctx.inputs.get("start"):
        return None
    (row,) = ctx.one("start").rows(["weights"])
    weights: bytes = row["weights"]
    return weights


def _usable(samples: Artifact, most: int | None) -> list[Sample]:
    rows = (Sample.from_row(row) for row in samples.rows())
    return list(islice((sample for sample in rows if sample.error is None), most))
