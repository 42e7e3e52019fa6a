"""The numbers of one training run: everything that decides what comes out, nothing about the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """How a detector is trained; the defaults teach a MobileNet-0.25 RetinaFace the synthetic set in about a minute.

    Attributes:
        steps: weight updates.
        batch: images per step.
        images: size of the training pool that is rendered and held in memory.
        crop: side of the random square crops in pixels, or None for whole images.
        shares: sides of the crops as shares of the image's short side.
        optimizer: "adamw", or "sgd" as in the published training.
        learning_rate: the peak.
        warmup: steps of the linear climb to the peak.
        decay: "cosine" to zero, or "steps" (tenfold, twice).
        weight_decay: of the kernels.
        momentum: of SGD; first beta of AdamW.
        clip_norm: longest gradient that is let through, as L2 norm over all weights; None lets all through, as the
            published training does.
        seed: of the first weights, the order of the images, the crops and the mirroring.
    """

    steps: int = 400
    batch: int = 16
    images: int = 400
    crop: int | None = 160
    shares: tuple[float, ...] = (0.5, 0.7, 0.85, 1.0)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 8e-3
    warmup: int = 40
    decay: Literal["cosine", "steps"] = "cosine"
    weight_decay: float = 5e-4
    momentum: float = 0.9
    clip_norm: float | None = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError naming the first number that makes no sense."""
        for name in ("steps", "batch", "images", "learning_rate", "clip_norm"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("warmup", "weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if self.crop is not None and self.crop < 32:
            raise ValueError(f"crop is {self.crop}, expected at least 32 pixels")
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ValueError(f"shares is {self.shares}, expected numbers in (0, 1]")
