"""The numbers of one ranker's training: everything that decides what comes out, nothing about the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.models.rankers.frame import Frame, trained_frame
from pipeline.training.loop.lr_schedule import exponential_rate

RankLoss = Literal["rank", "margin", "cross_entropy", "l1", "l2", "smooth_l1"]
"""What is minimised: CRFace's pairs, their rescaled margins, or one of the regressions of its Table 1."""


@dataclass(frozen=True, slots=True)
class RankerRecipe:
    """How a ranker is trained; the defaults are CRFace's (section 4.2 of the paper), where it says.

    Attributes:
        steps: weight updates.
        batch: images per step; each is seen with the candidates of one detector, drawn anew every epoch.
        images: only so many images of the join, the first ones; None for all.
        crop: side of what training sees of a picture, pixels; the paper does not say.
        crop_scales: sides of the random square as shares of the image's short side.
        whole: the whole image, brought to `crop` in the corner of a square, instead of random squares; the ranker sees
            images so ever after.
        flip_prob: share of pictures that are mirrored.
        colour_jitter: distort brightness, contrast, saturation and hue.
        iou_floor: overlaps below it count as none, as in AP where it is 0.5; the paper takes every overlap as it is.
        iou_cap: overlaps from it on count as 1; with both at 0.5 the truth is whether AP counts the box as a hit. All
            boxes on a face are alike then, and the suppression that follows keeps any of them.
        num_candidates: N of the table: the best candidates of an image, as many as the network has outputs.
        loss: "rank": logistic loss of pairs (RankNet); "margin": hinge with the difference of the truths as margin;
            the others bring the refined score itself to the truth.
        pairs: n: rows up to n places apart in the detector's order are compared.
        offsets: "all" compares at 1, 2, ... n places, "ends" at 1 and n alone.
        compare_within: boxes of one "image" are compared, as in the paper; or of a whole "batch", in the order of the
            detector's scores, since AP puts the boxes of all images into one order. With several processes, each
            compares those of its own share.
        ties: pairs of equal truth are left out ("skip"), or teach that the second is better ("literal", Eq. 1).
        temperature: factor on the difference of two refined scores.
        clip_scores: the loss sees refined scores clipped to 0..1, as the paper prints it; outside 0..1 they have no
            gradient of its own and comes back only as the weights it shares with others move. False takes the loss of
            the plain sums, which differs once some leave.
        optimizer: "adam" as in the paper, "adamw", or "sgd".
        learning_rate: of step 0, if there is no warm-up.
        final_rate: that it falls to exponentially, a factor per step.
        warmup: steps of a linear climb, multiplied with the decay; the paper has none.
        weight_decay: of what `decays`.
        decays: "kernels" spares biases and norms; "all" does not.
        momentum: of SGD; first beta of Adam.
        clip_norm: longest gradient that is let through, as L2 norm over all weights; None lets all through.
        bf16: the network computes in bfloat16, with float32 weights and losses.
        micro_batches: pieces in which a batch goes through the network, to save memory, at a third more time if not 1.
        checkpointed: the branch of boxes is computed again in the backward pass, instead of being remembered.
        ema_decay: decay per step of the running mean of the weights that comes out in the end; None for the last ones.
        norms: batch norms see their own process's images ("own"), those of all processes ("sync", on GPUs only where
            there are several), or keep statistics, scale and shift as they were ("frozen").
        compiled: the network goes through torch.compile.
        eval_every: steps between two looks at the held-out images, if the training has some; 0 for none but the
            last.
        select: what comes out: the "last" weights or the "best" ones, by ranking accuracy at those looks.
        seed: of the first weights, the order of the images, the draws of detectors, crops and mirroring.
    """

    steps: int = 100_000
    batch: int = 32
    images: int | None = None
    crop: int = 640
    crop_scales: tuple[float, ...] = (0.3, 0.45, 0.6, 0.8, 1.0)
    whole: bool = False
    flip_prob: float = 0.5
    colour_jitter: bool = True
    iou_floor: float = 0.0
    iou_cap: float = 1.0
    num_candidates: int = 5000
    loss: RankLoss = "rank"
    pairs: int = 10
    offsets: Literal["all", "ends"] = "all"
    compare_within: Literal["image", "batch"] = "image"
    ties: Literal["skip", "literal"] = "skip"
    temperature: float = 1.0
    clip_scores: bool = False
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3
    final_rate: float = 1e-6
    warmup: int = 0
    weight_decay: float = 0.0
    decays: Literal["kernels", "all"] = "kernels"
    momentum: float = 0.9
    clip_norm: float | None = None
    bf16: bool = False
    micro_batches: int = 1
    checkpointed: bool = False
    ema_decay: float | None = None
    norms: Literal["own", "sync", "frozen"] = "own"
    compiled: bool = False
    eval_every: int = 0
    select: Literal["last", "best"] = "last"
    seed: int = 0

    @property
    def sides(self) -> tuple[int, ...]:
        """The side of training pictures in pixels, alone."""
        return (self.crop,)

    @property
    def frame(self) -> Frame:
        """The picture that the ranker sees of an image, in judging and use."""
        return trained_frame(self.whole, self.crop)

    def truths(self, overlaps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what the scores of boxes are held against: overlaps, 0 below `iou_floor` and 1 from `iou_cap` on."""
        some = np.where(overlaps < self.iou_floor, np.float32(0), overlaps)
        return np.where(overlaps < self.iou_cap, some, np.float32(1))

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step.

        Raises:
            ValueError: where the step is outside the training.
        """
        return exponential_rate(step, self.steps, self.learning_rate, self.final_rate, self.warmup)

    def __post_init__(self) -> None:
        """Raises ValueError naming the first number that makes no sense."""
        for name in (
            "steps", "batch", "images", "pairs", "temperature", "learning_rate", "final_rate", "clip_norm",
            "micro_batches",
        ):  # fmt: skip
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("warmup", "weight_decay", "seed", "eval_every"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if self.final_rate > self.learning_rate:
            raise ValueError(f"final_rate is {self.final_rate}, expected at most learning_rate, {self.learning_rate}")
        if self.crop < 32:
            raise ValueError(f"crop is {self.crop}, expected at least 32 pixels")
        if self.num_candidates < 2:
            raise ValueError(
                f"num_candidates is {self.num_candidates}, expected 2 or more: there is nothing to compare"
            )
        if not self.crop_scales or not all(0 < share <= 1 for share in self.crop_scales):
            raise ValueError(f"crop_scales is {self.crop_scales}, expected numbers in (0, 1]")
        for name in ("flip_prob", "momentum", "iou_floor", "iou_cap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a number in 0..1")
        if self.iou_floor > self.iou_cap:
            raise ValueError(f"iou_floor is {self.iou_floor}, expected at most iou_cap, {self.iou_cap}")
        if self.pairs >= self.num_candidates:
            raise ValueError(f"pairs is {self.pairs}, expected less than the {self.num_candidates} rows")
        if self.micro_batches > self.batch:
            raise ValueError(
                f"micro_batches is {self.micro_batches}, expected at most the {self.batch} images of a batch"
            )
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}, expected a decay in [0, 1)")
