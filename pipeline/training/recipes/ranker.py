"""The recipe of a ranker's training."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from pipeline.models.rankers.preprocessing import Preprocessing, trained_preprocessing
from pipeline.training.recipes.base import STRICT, Recipe, Scales, Share, Side, require

RankLoss = Literal["rank", "margin", "cross_entropy", "l1", "l2", "smooth_l1"]
"""What is minimised: CRFace's pairs, their rescaled margins, or one of the regressions of its Table 1."""


@dataclass(frozen=True, config=STRICT)
class RankerRecipe(Recipe):
    """How a ranker is trained; the defaults are CRFace's (section 4.2 of the paper), which has no warm-up or clipping.

    Every epoch samples, for each image, the detector whose candidates it is trained with. The paper does not give
    `crop`. The rate starts at `learning_rate`, times the warm-up.

    Attributes:
        whole: the whole image, scaled to fit a square of `crop`, instead of random squares; in use the ranker then
            gets images in the same way.
        iou_floor: overlaps below it count as none, as in AP where it is 0.5; the paper takes every overlap as it is.
        iou_cap: overlaps from it on count as 1; with both at 0.5 the truth is whether AP counts the box as a hit. All
            boxes on a face are then equal, and the suppression that follows keeps any of them.
        num_candidates: N of the table: the best candidates of an image, as many as the network has outputs.
        loss: "rank": logistic loss of pairs (RankNet); "margin": hinge with the difference of the truths as margin;
            the others regress the refined score to the truth.
        pairs: n: rows up to n ranks apart in the detector's order are compared.
        offsets: "all" compares at 1, 2, ... n ranks, "ends" at 1 and n alone.
        compare_within: boxes of one "image" are compared, as in the paper; or of a whole "batch", in the order of the
            detector's scores, since AP puts the boxes of all images into one order. With several processes, each
            compares those of its own share.
        ties: pairs of equal truth are left out ("skip"), or count the second box as better ("literal", Eq. 1).
        temperature: factor on the difference of two refined scores.
        clip_scores: the loss gets refined scores clipped to 0..1, as the paper prints it; a score outside 0..1 has no
            gradient then and comes back only as shared weights move. False uses the plain sums.
        final_rate: rate to which the learning rate falls exponentially.
        checkpointed: the box branch is recomputed in the backward pass instead of being stored.
    """

    steps: PositiveInt = 100_000
    batch: PositiveInt = 32
    crop: Side = 640
    crop_scales: Scales = (0.3, 0.45, 0.6, 0.8, 1.0)
    whole: bool = False
    colour_jitter: bool = True
    iou_floor: Share = 0.0
    iou_cap: Share = 1.0
    num_candidates: Annotated[int, Field(ge=2)] = 5000
    loss: RankLoss = "rank"
    pairs: PositiveInt = 10
    offsets: Literal["all", "ends"] = "all"
    compare_within: Literal["image", "batch"] = "image"
    ties: Literal["skip", "literal"] = "skip"
    temperature: PositiveFloat = 1.0
    clip_scores: bool = False
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    final_rate: PositiveFloat = 1e-6
    warmup: NonNegativeInt = 0
    weight_decay: NonNegativeFloat = 0.0
    clip_norm: PositiveFloat | None = None
    checkpointed: bool = False

    @property
    def preprocessing(self) -> Preprocessing:
        """How the ranker gets an image in evaluation and in use."""
        return trained_preprocessing(self.whole, self.crop)

    def truths(self, overlaps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the targets of the scores of boxes: overlaps, 0 below `iou_floor` and 1 from `iou_cap` on."""
        some = np.where(overlaps < self.iou_floor, np.float32(0), overlaps)
        return np.where(overlaps < self.iou_cap, some, np.float32(1))

    def _rate(self, step: int) -> float:
        """Returns the learning rate of a step: peak (final / peak)^(step / steps), times the climb of the warm-up.

        CRFace, section 4.2: 1e-3 at the first of 100,000 steps, 1e-6 behind the last. Example: peak 1e-3, final 1e-6,
        steps 3: 1e-3, 1e-4, 1e-5; with warmup 2 the first is 5e-4.
        """
        climbed = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        decayed: float = self.learning_rate * (self.final_rate / self.learning_rate) ** (step / self.steps)
        return climbed * decayed

    def __post_init__(self) -> None:
        """Raises ValueError where fields do not go together."""
        Recipe.__post_init__(self)
        rate, rows = self.learning_rate, self.num_candidates
        require(self.final_rate <= rate, self, "final_rate", f"at most learning_rate, {rate}")
        require(self.iou_floor <= self.iou_cap, self, "iou_floor", f"at most iou_cap, {self.iou_cap}")
        require(self.pairs < rows, self, "pairs", f"less than the {rows} rows")
