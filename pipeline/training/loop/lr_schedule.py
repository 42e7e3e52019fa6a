"""Learning rates: a linear warm-up, then decay along half a cosine, in steps or exponentially."""

from __future__ import annotations

import math
from typing import Literal

Decay = Literal["cosine", "steps"]


def learning_rate(
    step: int,
    steps: int,
    peak: float,
    warmup: int,
    decay: Decay = "cosine",
    milestones: tuple[float, ...] = (0.76, 0.88),
    *,
    start: float | None = None,
    lr_reset_step: int | None = None,
) -> float:
    """Returns the learning rate of one step of a detector's training.

    It climbs linearly to `peak` over the first `warmup` steps; then it falls to zero along half a cosine, or is divided
    by ten at each milestone (published RetinaFace: after 190 and 220 of 250 epochs).

    Example: peak 0.01, steps 100, warmup 10, cosine: step 0 gives 0.001, step 9 gives 0.01, step 99 about 3e-6. With
    start 1e-6 step 0 gives 1e-6, step 5 0.0050005 and step 10 0.01.

    Args:
        step: 0 .. steps - 1.
        steps: length of the training.
        peak: highest rate.
        warmup: steps of the climb; 0 starts at the peak.
        decay: "cosine" or "steps".
        milestones: where "steps" divides by ten: shares of `steps` up to 1, else numbers of steps.
        start: rate of step 0; None climbs from zero, which would have been the step before.
        lr_reset_step: step from which "steps" gives the peak again, as MogFace's released code does behind its last
            milestone; None for never.

    Raises:
        ValueError: where `step` is outside the training.
    """
    _require_within(step, steps)
    if step < warmup:
        return peak * (step + 1) / warmup if start is None else start + step * (peak - start) / warmup
    if decay == "steps":
        if lr_reset_step is not None and step >= lr_reset_step:
            return peak
        return peak * 0.1 ** sum(step >= (place * steps if place <= 1 else place) for place in milestones)
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step + 1 - warmup) / (steps + 1 - warmup)))


def exponential_rate(step: int, steps: int, peak: float, final: float, warmup: int = 0) -> float:
    """Returns the learning rate of one step of a ranker's training: peak (final / peak)^(step / steps).

    CRFace, section 4.2: 1e-3 at the first of 100,000 steps, 1e-6 behind the last. A climb of `warmup` steps is
    multiplied with it.

    Example: peak 1e-3, final 1e-6, steps 3: 1e-3, 1e-4, 1e-5; with warmup 2 the first is 5e-4.

    Args:
        step: 0 .. steps - 1.
        steps: length of the training.
        peak: rate of step 0, without a climb.
        final: rate that step `steps` would have.
        warmup: steps of the climb; 0 for none.

    Raises:
        ValueError: where `step` is outside the training.
    """
    _require_within(step, steps)
    climbed = min(1.0, (step + 1) / warmup) if warmup else 1.0
    decayed: float = peak * (final / peak) ** (step / steps)
    return climbed * decayed


def _require_within(step: int, steps: int) -> None:
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not in 0..{steps - 1}")
