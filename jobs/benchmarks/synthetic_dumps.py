"""Stages that write random rows in the form of an index and of a dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext

WIDTH, HEIGHT = 1024, 768
_LARGEST = 200.0  # box side, pixels


class SyntheticSamples(MapStage):
    """Samples without files, with faces anywhere in them.

    Attributes:
        images: how many.
        faces: of each.
    """

    name: ClassVar[str] = "synthetic_samples"
    version: ClassVar[str] = "1"
    output: ClassVar[pa.Schema] = SAMPLES

    images: int = Field(ge=1)
    faces: int = Field(10, ge=0)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per image."""
        return [Item(f"synthetic/{number:07d}", "") for number in range(self.images)]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker of random rows of `SAMPLES`."""

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                boxes, _ = _sampled(0, item, self.faces)
                yield Sample(item.key, f"{item.key}.jpg", "", WIDTH, HEIGHT, boxes).to_row()

        return work


class SyntheticDump(MapStage):
    """Boxes anywhere in the images of some samples.

    Attributes:
        boxes: of each image.
        seed: one per detector.
    """

    name: ClassVar[str] = "synthetic_dump"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples",)
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = DETECTIONS

    boxes: int = Field(ge=0)
    seed: int = Field(1, ge=1)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample."""
        return [Item(key, version) for key, version, _ in ctx.one("samples").item_versions()]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker of random rows of `DETECTIONS`."""

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                boxes, scores = _sampled(self.seed, item, self.boxes)
                yield Detections(item.key, WIDTH, HEIGHT, boxes, scores).to_row()

        return work


def _sampled(seed: int, item: Item, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns float32 [count, 4] boxes and float32 [count] falling scores that depend on seed and image alone."""
    rng = np.random.default_rng((seed, int(item.key.rpartition("/")[2])))
    numbers = rng.random((count, 5), dtype=np.float32)
    sides = 8 + numbers[:, 2:4] * (_LARGEST - 8)
    corners = numbers[:, :2] * (np.array([WIDTH, HEIGHT], np.float32) - sides)
    return np.concatenate([corners, corners + sides], axis=1), np.sort(numbers[:, 4])[::-1]
