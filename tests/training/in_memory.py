"""Pictures that are there already, as a source of batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.training.example import Example


@dataclass(frozen=True)
class InMemory:
    """A `Source` of examples that keep their own size and look alike in every epoch."""

    examples: Sequence[Example]

    def __len__(self) -> int:
        return len(self.examples)

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        return self.examples[index]

    def name(self, index: int) -> str:
        return self.examples[index].image_id


def bright_squares(images: int = 8, side: int = 96) -> list[Example]:
    """Returns bright squares with two dark eyes on noise, one in each picture, the first of them "square 0"."""
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
