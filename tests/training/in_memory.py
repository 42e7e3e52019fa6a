"""Images in memory as a source of batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.boxes.box_table import box_table
from pipeline.boxes.closest_face import closest_overlap
from pipeline.training.data.batch import Example, RankerExample
from pipeline.training.data.collate import PixelBatch, RankerPixelBatch


class LabelledSource(ABC):
    """What sources of images with faces share."""

    @abstractmethod
    def name(self, index: int) -> str: ...

    def blank(self, index: int, side: int) -> Example:
        nothing = np.zeros((0, 4), np.float32)
        return Example(self.name(index), np.zeros((side, side, 3), np.uint8), nothing, np.zeros((0, 5, 2), np.float32))

    def assemble(self, step: int, examples: Sequence[Example], errors: Sequence[str]) -> PixelBatch:
        return PixelBatch.of(step, examples, errors)


@dataclass(frozen=True)
class InMemory(LabelledSource):
    """A `Source` of examples of their own size, the same in every epoch."""

    examples: Sequence[Example]

    def __len__(self) -> int:
        return len(self.examples)

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        return self.examples[index]

    def name(self, index: int) -> str:
        return self.examples[index].image_id


def bright_squares(images: int = 8, side: int = 96) -> list[Example]:
    """Returns bright squares with two dark eyes on noise, one in each image, the first of them "square 0"."""
    rng = np.random.default_rng(0)
    examples = []
    for index in range(images):
        image = rng.integers(60, 120, (side, side, 3), dtype=np.uint8)
        x, y, s = (
            int(rng.integers(low, high)) for low, high in ((2, side * 0.42), (2, side * 0.42), (24, side * 0.53))
        )
        image[y : y + s, x : x + s] = 220
        points = np.float32([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * s + np.float32([x, y])
        for px, py in points[:2].astype(int):
            image[py - 2 : py + 3, px - 2 : px + 3] = 10
        examples.append(Example(f"square {index}", image, np.float32([[x, y, x + s, y + s]]), points[None]))
    return examples


@dataclass(frozen=True)
class RankedInMemory:
    """A `Source` of images with tables, the same in every epoch; those of `broken` cannot be read."""

    examples: Sequence[RankerExample]
    broken: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __call__(self, index: int, epoch: int, side: int) -> RankerExample:
        if index in self.broken:
            raise OSError("cut: off")
        return self.examples[index]

    def name(self, index: int) -> str:
        return self.examples[index].image_id

    def blank(self, index: int, side: int) -> RankerExample:
        rows = len(self.examples[index].table)
        nothing = np.zeros((rows, 5), np.float32)
        return RankerExample(self.name(index), np.zeros((side, side, 3), np.uint8), nothing, nothing[:, 0].copy(), 0)

    def assemble(self, step: int, examples: Sequence[RankerExample], errors: Sequence[str]) -> RankerPixelBatch:
        return RankerPixelBatch.of(step, examples, errors)


def ranked_squares(images: int = 8, side: int = 64, rows: int = 50) -> list[RankerExample]:
    """Returns bright squares with candidates about and far from them, the better ones no more sure than the others."""
    rng = np.random.default_rng(5)
    examples = []
    for number, square in enumerate(bright_squares(images, side)):
        count = rows - 3 * (number % 4)
        near = np.repeat(square.boxes, count // 2, axis=0)
        near += rng.normal(0, 5, near.shape).astype(np.float32)
        corner = rng.uniform(0, side - 24, (count - len(near), 2))
        boxes = rng.permutation(np.concatenate([near, np.hstack([corner, corner + 20])]).astype(np.float32))
        scores = np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1]
        table, valid = box_table(boxes, scores, side, side, rows)
        truth = np.zeros(rows, np.float32)
        truth[:valid] = closest_overlap(boxes, square.boxes)
        pixels = square.image.astype(np.uint8)
        examples.append(RankerExample(square.image_id, pixels, table, truth, valid))
    return examples
