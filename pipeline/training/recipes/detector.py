"""The recipe of a detector's training, and MogFace's schedules as presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from pydantic.dataclasses import dataclass

from pipeline.engine.registry import Registry
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.spec import AssignerSpec
from pipeline.training.augment.policy import POLICIES
from pipeline.training.augment.sse import require_shares
from pipeline.training.recipes.base import STRICT, Recipe, require


def _assigners() -> Registry[AssignerSpec | None]:
    """Returns the choices of `assigner`: the detector's own, and the entries of `ASSIGNERS`."""
    return Registry("assigner", {"auto": None, **ASSIGNERS})


@dataclass(frozen=True, config=STRICT)
class DetectorRecipe(Recipe):
    """How a detector is trained; the defaults train a MobileNet-0.25 RetinaFace on the synthetic set in about a minute.

    Attributes:
        augmentation: scale and crop, an entry of `POLICIES`; `crop_scales` is read by "square_crop" alone.
        sse_shares: of "sse" and its variants: chances of P5 and of P6, the rest is divided among the others; or six, of
            P2 to P7, together 1.
        uint8_pixels: round and clip colours to whole numbers in 0..255, a quarter of the bytes to the network; the
            released code does not. Without distortion pixels are whole numbers either way.
        min_face: faces below it in the training image are dropped unless all are, pixels.
        warmup_start: rate of step 0, from which it climbs to the peak at step `warmup`; None starts at peak / warmup
            and reaches the peak one step earlier.
        decay: half a "cosine" to zero, or "steps": a tenth at each milestone.
        milestones: of "steps": shares of `steps` up to 1, else numbers of steps; published RetinaFace has 190 and 220
            of 250 epochs.
        lr_reset_step: step from which the rate is the peak again, MogFace's released bug; None for never.
        assigner: which anchor is matched with which face, an entry of `ASSIGNERS`; "auto" is the detector's own, see
            `assigner_of`.
        context_weight: gamma, of HCAM's progressive classifier in the total loss.
        first_shot_weight: of the auxiliary head for half-size anchors in the total loss.
        regression_aware: HAMBox's weighted loss for compensated anchors.
    """

    augmentation: str = Field(default="square_crop", json_schema_extra=lambda schema: schema.update(enum=[*POLICIES]))
    sse_shares: tuple[float, ...] = (0.2, 0.16)
    uint8_pixels: bool = True
    min_face: NonNegativeFloat = 8.0
    warmup_start: PositiveFloat | None = None
    decay: Literal["cosine", "steps"] = "cosine"
    milestones: tuple[PositiveFloat, ...] = (0.76, 0.88)
    lr_reset_step: PositiveInt | None = None
    assigner: str = Field(default="auto", json_schema_extra=lambda schema: schema.update(enum=[*_assigners()]))
    context_weight: NonNegativeFloat = 1.0
    first_shot_weight: NonNegativeFloat = 1.0
    regression_aware: bool = False

    @field_validator("augmentation")
    @classmethod
    def _augmentation(cls, value: str) -> str:
        return POLICIES.known(value)

    @field_validator("assigner")
    @classmethod
    def _assigner(cls, value: str) -> str:
        return _assigners().known(value)

    def _rate(self, step: int) -> float:
        """Returns the learning rate of a step: a linear climb to the peak, then the decay.

        Example: peak 0.01, steps 100, warmup 10, cosine: step 0 gives 0.001, step 9 gives 0.01, step 99 about 3e-6.
        With a warmup_start of 1e-6 step 0 gives 1e-6, step 5 0.0050005 and step 10 0.01.
        """
        peak, start, warmup, steps = self.learning_rate, self.warmup_start, self.warmup, self.steps
        if step < warmup:
            return peak * (step + 1) / warmup if start is None else start + step * (peak - start) / warmup
        if self.decay == "cosine":
            return peak * 0.5 * (1.0 + math.cos(math.pi * (step + 1 - warmup) / (steps + 1 - warmup)))
        if self.lr_reset_step is not None and step >= self.lr_reset_step:
            return peak
        return peak * 0.1 ** sum(step >= (place * steps if place <= 1 else place) for place in self.milestones)

    def __post_init__(self) -> None:
        """Raises ValueError where fields do not go together."""
        Recipe.__post_init__(self)
        try:
            require_shares(self.sse_shares)
        except ValueError as error:
            raise ValueError(f"sse_shares: {error}") from None
        two_only = self.augmentation == "sse_official"
        require(not two_only or len(self.sse_shares) == 2, self, "sse_shares", "two for sse_official, of P5 and P6")
        require(list(self.milestones) == sorted(self.milestones), self, "milestones", "rising numbers")


_PAPER = DetectorRecipe(
    steps=70_000,
    batch=28,
    augmentation="das",
    crop=640,
    colour_jitter=True,
    optimizer="sgd",
    learning_rate=4e-3,
    warmup=3_000,
    warmup_start=1e-6,
    decay="steps",
    milestones=(50_000, 70_000),
    weight_decay=5e-5,
    decay_biases=True,
    clip_norm=None,
)
_PAPER_FINAL = replace(_PAPER, steps=140_000, learning_rate=1e-2, milestones=(110_000, 140_000), clip_norm=5.0)

PRESETS: Mapping[str, DetectorRecipe] = MappingProxyType(
    {
        "paper": _PAPER,
        "paper_final": _PAPER_FINAL,
        "official": replace(_PAPER, weight_decay=1e-4, lr_reset_step=160_000, uint8_pixels=False),
        "official_final": replace(_PAPER_FINAL, weight_decay=1e-4, lr_reset_step=160_000, uint8_pixels=False),
    }
)
"""MogFace's schedules: of its ablations as the paper gives them and as released, and of its final models (MogFace and
MogFace-E), for which the paper gives no numbers but the weight decay; the rest of `paper_final` is the released one."""
