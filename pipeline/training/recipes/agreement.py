"""The recipe of the training of a ranker that reads agreement."""

from __future__ import annotations

import math

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from pipeline.training.recipes.base import STRICT


@dataclass(frozen=True, config=STRICT)
class AgreementRecipe:
    """Everything that decides the outcome beside the boxes; the defaults were chosen by five folds of 345 images.

    Attributes:
        steps: weight updates, with AdamW.
        batch: boxes per step, drawn with replacement from those of all images.
        learning_rate: of the first step; half a cosine brings it to zero.
        weight_decay: of all weights and biases.
        width: channels of a hidden layer.
        seed: of the first weights and of the boxes that are drawn.
    """

    steps: PositiveInt = 1600
    batch: PositiveInt = 1024
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.3
    width: PositiveInt = 64
    seed: NonNegativeInt = 0

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, 0 .. steps - 1."""
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
