"""What the recipes of detectors and rankers share: schedule, optimizer, and how a step is computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.dataclasses import dataclass

T = TypeVar("T")

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=32)]
Scales = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]

Norms = Literal["own", "sync", "frozen"]
"""Whose images batch norms use in training, see `Recipe.norms`; "own" is plain batch norm in every process."""

Repeatable = Literal["required", "preferred", "off"]
"""Whether a training gives the same bytes again, see `determinism.deterministic`; no part of a recipe, but here because
a plan is made without importing torch."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=STRICT)
class Recipe(ABC):
    """Everything that decides the outcome of a training, and nothing about the machine.

    Ranges are checked when a recipe is made; a ValueError names every field that is out of range.

    Attributes:
        steps: weight updates.
        batch: images per step, over all processes.
        images: use only the first so many images of the set; None for all.
        crop: side of a training image in pixels; of several, every step samples one.
        crop_scales: sides of the random square as shares of the image's short side.
        flip_prob: share of images that are mirrored.
        colour_jitter: distort brightness, contrast, saturation and hue.
        optimizer: "adam", "adamw", or "sgd" as in the published training of detectors.
        learning_rate: the peak.
        warmup: steps of the linear climb to the peak.
        weight_decay: of the weights, see `decay_biases`.
        decay_biases: biases and norms decay too, as in MogFace's code; else only kernels do.
        momentum: of SGD; first beta of Adam.
        clip_norm: largest L2 norm of the gradient over all weights; None does not clip, as in the published training.
        bf16: the network computes in bfloat16, with float32 weights and losses.
        micro_batches: parts in which a batch goes through the network, to save memory; more than 1 takes a third more
            time.
        ema_decay: decay per step of the running mean of the weights, which is what is saved; None saves the last ones.
        norms: batch norms use the images of their own process ("own"), of all processes ("sync", several processes
            need GPUs for it), or keep statistics, scale and shift as they were ("frozen").
        compiled: the network goes through torch.compile.
        eval_every: steps between two evaluations on the held-out images; 0 evaluates after the last step only.
        select: which weights are saved: the "last", or the "best" by the validator's score.
        seed: of the first weights, the order of the images and all random augmentation.
    """

    steps: PositiveInt = 400
    batch: PositiveInt = 16
    images: PositiveInt | None = None
    crop: Side | Annotated[tuple[Side, ...], Field(min_length=1)] = 160
    crop_scales: Scales = (0.5, 0.7, 0.85, 1.0)
    flip_prob: Share = 0.5
    colour_jitter: bool = False
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: PositiveFloat = 8e-3
    warmup: NonNegativeInt = 40
    weight_decay: NonNegativeFloat = 5e-4
    decay_biases: bool = False
    momentum: Share = 0.9
    clip_norm: PositiveFloat | None = 10.0
    bf16: bool = False
    micro_batches: PositiveInt = 1
    ema_decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    norms: Norms = "own"
    compiled: bool = False
    eval_every: NonNegativeInt = 0
    select: Literal["last", "best"] = "last"
    seed: NonNegativeInt = 0

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, 0 .. steps - 1; raises ValueError for one that the training lacks."""
        if not 0 <= step < self.steps:
            raise ValueError(f"step {step} is not in 0..{self.steps - 1}")
        return self._rate(step)

    @abstractmethod
    def _rate(self, step: int) -> float:
        """Returns the learning rate of a step that the training has."""

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides of training images in pixels, one or more."""
        return (self.crop,) if isinstance(self.crop, int) else self.crop

    def __post_init__(self) -> None:
        """Raises ValueError where fields do not go together."""
        require(self.micro_batches <= self.batch, self, "micro_batches", f"at most the {self.batch} images of a batch")

    @field_validator("*", mode="wrap")
    @classmethod
    def _in_one_line(cls, value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return validate(value)
        except ValidationError as error:
            found = [each["msg"].removeprefix("Input should be ") for each in error.errors()]
            raise ValueError(f"{info.field_name} is {value}, expected {' or '.join(dict.fromkeys(found))}") from None


def require(holds: bool, recipe: Recipe, name: str, expected: str) -> None:
    """Raises ValueError that names a field, its value and what is expected, unless it holds."""
    if not holds:
        raise ValueError(f"{name} is {getattr(recipe, name)}, expected {expected}")
