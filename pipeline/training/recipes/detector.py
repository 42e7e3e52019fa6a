"""The numbers of one training run: everything that decides what comes out, nothing about the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from pipeline.training.augment.sse import require_shares
from pipeline.training.loop.lr_schedule import learning_rate

Augmentation = Literal["square_crop", "das", "sse", "sse_anywhere", "sse_official", "mst", "plain"]
"""Entries of `augment.policy.POLICIES`; written out for the same reason as the assigners."""

AssignerName = Literal[
    "auto",
    "max_iou",
    "s3fd",
    "mogface",
    "hambox",
    "atss",
    "ota",
    "ali_ams",
    "ali_ams_own_level",
    "ali_ams_official",
]
"""The detector's own, or an entry of `ASSIGNERS`; written out because a plan is made without importing those."""


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """How a detector is trained; the defaults teach a MobileNet-0.25 RetinaFace the synthetic set in about a minute.

    Attributes:
        steps: weight updates.
        batch: images per step.
        images: only so many images of the set, the first ones; None for all.
        augmentation: scale and crop, an entry of `POLICIES`.
        crop: side of what training sees of a picture, pixels; of several, every step draws one.
        crop_scales: of "square_crop": sides of the square as shares of the image's short side.
        sse_shares: of "sse" and its variants: chances of P5 and of P6, the rest is divided among the others; or six, of
            P2 to P7, together 1.
        colour_jitter: distort brightness, contrast, saturation and hue.
        uint8_pixels: round and clip colours to whole numbers in 0..255, a quarter of the bytes to the network; the
            released code does not. Without distortion pixels are whole numbers either way.
        min_face: faces below it in the training picture are dropped unless all are, pixels.
        flip_prob: share of pictures that are mirrored.
        optimizer: "adamw", or "sgd" as in the published training.
        learning_rate: the peak.
        warmup: steps of the linear climb to the peak.
        warmup_start: rate of step 0, from which it climbs to the peak at step `warmup`; None starts at peak / warmup
            and reaches the peak one step earlier.
        decay: "cosine" to zero, or "steps": a tenth at each milestone.
        milestones: of "steps": shares of `steps` up to 1, else numbers of steps.
        lr_reset_step: step from which the rate is the peak again, MogFace's released bug; None for never.
        weight_decay: of what `decays`.
        decays: "kernels" spares biases and norms; "all" does not, as MogFace's code.
        momentum: of SGD; first beta of AdamW.
        clip_norm: longest gradient that is let through, as L2 norm over all weights; None lets all through, as the
            published training does.
        assigner: which anchor learns which face; "auto" is the detector's own, see `task_of`.
        context_weight: gamma, of HCAM's progressive classifier in the total loss.
        first_shot_weight: of the auxiliary head for half-size anchors in the total loss.
        regression_aware: HAMBox's weighted loss for compensated anchors.
        bf16: the network computes in bfloat16, with float32 weights and losses.
        micro_batches: pieces in which a batch goes through the network, to save memory, at a third more time if not 1.
        ema_decay: decay per step of the running mean of the weights that comes out in the end; None for the last ones.
        norms: batch norms see their own process's images ("own"), those of all processes ("sync", on GPUs only where
            there are several), or keep statistics, scale and shift as they were ("frozen").
        compiled: the network goes through torch.compile.
        eval_every: steps between two looks at the held-out images, if the training has some; 0 for none but the
            last.
        select: which weights are saved: the "last" or the "best", by the mean AP of the three levels.
        seed: of the first weights, the order of the images, the crops and the mirroring.
    """

    steps: int = 400
    batch: int = 16
    images: int | None = None
    augmentation: Augmentation = "square_crop"
    crop: int | tuple[int, ...] = 160
    crop_scales: tuple[float, ...] = (0.5, 0.7, 0.85, 1.0)
    sse_shares: tuple[float, ...] = (0.2, 0.16)
    colour_jitter: bool = False
    uint8_pixels: bool = True
    min_face: float = 8.0
    flip_prob: float = 0.5
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 8e-3
    warmup: int = 40
    warmup_start: float | None = None
    decay: Literal["cosine", "steps"] = "cosine"
    milestones: tuple[float, ...] = (0.76, 0.88)
    lr_reset_step: int | None = None
    weight_decay: float = 5e-4
    decays: Literal["kernels", "all"] = "kernels"
    momentum: float = 0.9
    clip_norm: float | None = 10.0
    assigner: AssignerName = "auto"
    context_weight: float = 1.0
    first_shot_weight: float = 1.0
    regression_aware: bool = False
    bf16: bool = False
    micro_batches: int = 1
    ema_decay: float | None = None
    norms: Literal["own", "sync", "frozen"] = "own"
    compiled: bool = False
    eval_every: int = 0
    select: Literal["last", "best"] = "last"
    seed: int = 0

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides of training pictures in pixels, one or more."""
        return (self.crop,) if isinstance(self.crop, int) else self.crop

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step; see `rates.learning_rate`.

        Raises:
            ValueError: where the step is outside the training.
        """
        return learning_rate(
            step,
            self.steps,
            self.learning_rate,
            self.warmup,
            self.decay,
            self.milestones,
            start=self.warmup_start,
            lr_reset_step=self.lr_reset_step,
        )

    def __post_init__(self) -> None:
        """Raises ValueError naming the first number that makes no sense."""
        for name in ("steps", "batch", "images", "learning_rate", "clip_norm", "warmup_start", "micro_batches"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in (
            "warmup", "weight_decay", "seed", "context_weight", "first_shot_weight", "min_face", "eval_every",
        ):  # fmt: skip
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if not self.sides or min(self.sides) < 32:
            raise ValueError(f"crop is {self.crop}, expected at least 32 pixels")
        if not self.crop_scales or not all(0 < share <= 1 for share in self.crop_scales):
            raise ValueError(f"crop_scales is {self.crop_scales}, expected numbers in (0, 1]")
        try:
            require_shares(self.sse_shares)
        except ValueError as error:
            raise ValueError(f"sse_shares: {error}") from None
        if self.augmentation == "sse_official" and len(self.sse_shares) != 2:
            raise ValueError(f"sse_shares is {self.sse_shares}, sse_official takes two, of P5 and P6")
        if list(self.milestones) != sorted(self.milestones) or not all(place > 0 for place in self.milestones):
            raise ValueError(f"milestones is {self.milestones}, expected rising numbers above 0")
        if not 0 <= self.flip_prob <= 1:
            raise ValueError(f"flip_prob is {self.flip_prob}, expected a share in [0, 1]")
        if self.micro_batches > self.batch:
            raise ValueError(
                f"micro_batches is {self.micro_batches}, expected at most the {self.batch} images of a batch"
            )
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}, expected a decay in [0, 1)")


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
    decays="all",
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
