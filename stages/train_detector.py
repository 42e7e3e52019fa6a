"""Samples to a checkpoint: one detector trained with a plain loop on images held in memory.

Meant for small sets (the embedded default trains on drawn faces in about a minute); training on a cluster has its own
stage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import field_validator

from pipeline.data.images import decode
from pipeline.data.records import Sample
from pipeline.data.schemas import CHECKPOINT, SAMPLES
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.models.detectors import detector_spec
from pipeline.models.identity import digest
from pipeline.training.recipe import TrainingRecipe
from stages.image_source import image_source


class TrainDetector(WholeStage):
    """Training from random weights with the losses of the detector's own paper, see `task_of`.

    Attributes:
        detector: entry of `DETECTORS`.
        recipe: every number that decides the outcome; a config names those that differ from the defaults.
    """

    name: ClassVar[str] = "train_detector"
    version: ClassVar[str] = "1"
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = CHECKPOINT
    published: ClassVar[tuple[str, ...]] = ("{node}.safetensors",)

    detector: str = "retinaface_mobilenet"
    recipe: TrainingRecipe = TrainingRecipe()

    @field_validator("detector")
    @classmethod
    def _detector(cls, value: str) -> str:
        detector_spec(value)
        return value

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the checkpoint as one row.

        Raises:
            ValueError: if no image has a face.
        """
        import torch

        from pipeline.models.weights import save_bytes
        from pipeline.training.from_scratch import train_from_scratch

        torch.set_num_threads(max(1, int(ctx.resources.cpus)))
        usable = _usable(ctx.one("samples"), self.recipe.images)
        read = image_source(ctx, ctx.one("samples"))

        def draw(index: int) -> tuple[Any, Any, Any]:
            sample = usable[index]
            absent = np.full((len(sample.boxes), 5, 2), np.nan, np.float32)
            marks = absent if sample.landmarks is None else sample.landmarks
            return decode(read(sample.path)), sample.boxes, marks

        network, history = train_from_scratch(
            self.detector,
            draw,
            replace(self.recipe, images=len(usable)),
            lambda step, steps, losses: ctx.say(f"step {step}/{steps} loss {losses['total']:.3f}"),
            device="cuda" if ctx.resources.gpus else "cpu",
        )
        config = {"detector": self.detector, "recipe": asdict(self.recipe)}
        weights = save_bytes(self.detector, network, config)
        yield {
            "detector": self.detector,
            "config": json.dumps(config, sort_keys=True),
            "digest": digest(weights),
            "weights": weights,
            "loss": history.losses["total"],
        }

    def publish(self, rows: Iterable[Row]) -> list[bytes]:
        """Returns the weights as a file that `wider8k detect --weights` opens."""
        return [row["weights"] for row in rows]


def _usable(samples: Artifact, most: int) -> list[Sample]:
    rows = (Sample.from_row(row) for row in samples.rows())
    found = list(islice((sample for sample in rows if sample.error is None), most))
    if not any(len(sample.boxes) for sample in found):
        raise ValueError(f"{samples.node}: no labelled face in {len(found)} readable images; nothing to train on")
    return found
