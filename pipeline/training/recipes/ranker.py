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
        shares: sides of the random square as shares of the image's short side.
        whole: the whole image, brought to `crop` in the corner of a square, instead of random squares; the ranker sees
            images so ever after.
        mirrored: share of pictures that are mirrored.
        colours: distort brightness, contrast, saturation and hue.
        least: overlaps below it count as none, as in AP where it is 0.5; the paper takes every overlap as it is.
        most: overlaps from it on count as 1; with both at 0.5 the truth is whether AP would count the box as a hit. All
            boxes on a face are alike then, and the suppression that follows keeps any of them.
        rows: N of the table: the best candidates of an image, as many as the network has outputs.
        loss: "rank": logistic loss of pairs (RankNet); "margin": hinge with the difference of the truths as margin;
            the others bring the refined score itself to the truth.
        pairs: n: rows up to n places apart in the detector's order are compared.
        offsets: "all" compares at 1, 2, ... n places, "ends" at 1 and n alone.
        among: boxes of one "image" are compared, as in the paper; or those of a whole "batch", in the order of the
            detector's scores, since AP puts the boxes of all images into one order. With several processes, each
            compares those of its own share.
        ties: pairs of equal truth are left out ("skip"), or teach that the second is better ("literal", Eq. 1).
        temperature: factor on the difference of two refined scores.
        clipped: the loss sees refined scores clipped to 0..1, as the paper prints it; what has left 0..1 then has no
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
        parts: pieces in which a batch goes through the network, to save memory, at a third more time if not 1.
        checkpointed: the branch of boxes is computed again in the backward pass, instead of being remembered.
        average: decay per step of the running mean of the weights that comes out in the end; None for the last ones.
        norms: batch norms see their own process's images ("own"), those of all processes ("sync", on GPUs only where
            there are several), or keep statistics, scale and shift as they were ("frozen").
        compiled: the network goes through torch.compile.
        judged_every: steps between two looks at the held-out images, if the training has some; 0 for none but the
            last.
        keep: what comes out: the "last" weights or the "best" ones, by ranking accuracy at those looks.
        seed: of the first weights, the order of the images, the draws of detectors, crops and mirroring.
    """

    steps: int = 100_000
    batch: int = 32
    images: int | None = None
    crop: int = 640
    shares: tuple[float, ...] = (0.3, 0.45, 0.6, 0.8, 1.0)
    whole: bool = False
    mirrored: float = 0.5
    colours: bool = True
    least: float = 0.0
    most: float = 1.0
    rows: int = 5000
    loss: RankLoss = "rank"
    pairs: int = 10
    offsets: Literal["all", "ends"] = "all"
    among: Literal["image", "batch"] = "image"
    ties: Literal["skip", "literal"] = "skip"
    temperature: float = 1.0
    clipped: bool = False
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3
    final_rate: float = 1e-6
    warmup: int = 0
    weight_decay: float = 0.0
    decays: Literal["kernels", "all"] = "kernels"
    momentum: float = 0.9
    clip_norm: float | None = None
    bf16: bool = False
    parts: int = 1
    checkpointed: bool = False
    average: float | None = None
    norms: Literal["own", "sync", "frozen"] = "own"
    compiled: bool = False
    judged_every: int = 0
    keep: Literal["last", "best"] = "last"
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
        """Returns what the scores of boxes are held against: overlaps, 0 below `least` and 1 from `most` on."""
        some = np.where(overlaps < self.least, np.float32(0), overlaps)
        return np.where(overlaps < self.most, some, np.float32(1))

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step.

        Raises:
            ValueError: where the step is outside the training.
        """
        return exponential_rate(step, self.steps, self.learning_rate, self.final_rate, self.warmup)

    def __post_init__(self) -> None:
        """Raises ValueError naming the first number that makes no sense."""
        for name in (
            "steps", "batch", "images", "pairs", "temperature", "learning_rate", "final_rate", "clip_norm", "parts",
        ):  # fmt: skip
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("warmup", "weight_decay", "seed", "judged_every"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if self.final_rate > self.learning_rate:
            raise ValueError(f"final_rate is {self.final_rate}, expected at most learning_rate, {self.learning_rate}")
        if self.crop < 32:
            raise ValueError(f"crop is {self.crop}, expected at least 32 pixels")
        if self.rows < 2:
            raise ValueError(f"rows is {self.rows}, expected 2 or more: there is nothing to compare")
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ValueError(f"shares is {self.shares}, expected numbers in (0, 1]")
        for name in ("mirrored", "momentum", "least", "most"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a number in 0..1")
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, expected at most most, {self.most}")
        if self.pairs >= self.rows:
            raise ValueError(f"pairs is {self.pairs}, expected less than the {self.rows} rows")
        if self.parts > self.batch:
            raise ValueError(f"parts is {self.parts}, expected at most the {self.batch} images of a batch")
        if self.average is not None and not 0 <= self.average < 1:
            raise ValueError(f"average is {self.average}, expected a decay in [0, 1)")
