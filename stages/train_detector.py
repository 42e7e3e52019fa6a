"""Samples to a checkpoint: one detector trained with a plain loop on images held in memory.

Meant for small sets (the embedded default trains on drawn faces in about a minute); training on a cluster has its own
stage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from pipeline.data.images import decode
from pipeline.data.records import Sample
from pipeline.data.schemas import CHECKPOINT, SAMPLES
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.models.detectors import detector_spec
from pipeline.models.identity import digest
from stages.image_source import image_source

if TYPE_CHECKING:
    from pipeline.training.example import Example


class TrainDetector(WholeStage):
    """RetinaFace's multibox training (loss 2 box + class + landmarks) from random weights.

    Attributes:
        detector: entry of `DETECTORS`.
        recipe: fields of `TrainingRecipe` that differ from its defaults.
    """

    name: ClassVar[str] = "train_detector"
    version: ClassVar[str] = "1"
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = CHECKPOINT
    published: ClassVar[tuple[str, ...]] = ("{node}.safetensors",)

    detector: str = "retinaface_mobilenet"
    recipe: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("detector")
    @classmethod
    def _detector(cls, value: str) -> str:
        detector_spec(value)
        return value

    @field_validator("recipe")
    @classmethod
    def _recipe(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        from pipeline.training.recipe import TrainingRecipe

        try:
            # Every number that decides the outcome belongs to the identity, defaults included.
            return asdict(TrainingRecipe(**value))
        except TypeError as error:
            raise ValueError(str(error).replace("TrainingRecipe.__init__() ", "")) from None

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the checkpoint as one row."""
        import torch

        from pipeline.models.weights import save_bytes
        from pipeline.training.batches import Batches
        from pipeline.training.loop import train
        from pipeline.training.recipe import TrainingRecipe

        torch.set_num_threads(max(1, int(ctx.resources.cpus)))
        recipe = TrainingRecipe(**self.recipe)
        torch.manual_seed(recipe.seed)
        network = detector_spec(self.detector).build()
        batches = Batches(
            pool=self._pool(ctx, recipe.images),
            batch=recipe.batch,
            seed=recipe.seed,
            normalisation=network.normalisation,
            crop=recipe.crop,
            shares=recipe.shares,
        )
        history = train(network, batches, recipe, progress=lambda step, of, losses: ctx.say(_line(step, of, losses)))
        weights = save_bytes(self.detector, network)
        yield {
            "detector": self.detector,
            "config": json.dumps({"detector": self.detector, "recipe": dict(self.recipe)}, sort_keys=True),
            "digest": digest(weights),
            "weights": weights,
            "loss": history.losses["total"],
        }

    def _pool(self, ctx: StageContext, count: int) -> list[Example]:
        from pipeline.training.example import Example

        samples = ctx.one("samples")
        read = image_source(ctx, samples)
        pool: list[Example] = []
        for row in samples.rows():
            sample = Sample.from_row(row)
            if sample.error is None and len(pool) < count:
                marks = sample.landmarks
                if marks is None:
                    marks = np.full((len(sample.boxes), 5, 2), np.nan, np.float32)
                pool.append(Example(sample.image_id, decode(read(sample.path)), sample.boxes, marks))
        if not any(len(example.boxes) for example in pool):
            raise ValueError(f"{samples.node}: no labelled face among {len(pool)} images; nothing to train on")
        return pool

    def publish(self, rows: Iterable[Row]) -> list[bytes]:
        """Returns the weights as a file that `wider8k detect --weights` opens."""
        return [row["weights"] for row in rows]


def _line(step: int, steps: int, losses: Mapping[str, float]) -> str:
    return f"step {step}/{steps} loss {losses['total']:.3f}"
