"""One plain training loop: batch, losses, gradient, step; the same seed gives the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.models.detectors.detector import Detector, Raw
from pipeline.training.assigners import ASSIGNERS, Assigner
from pipeline.training.assigners.anchor_set import Anchors
from pipeline.training.assigners.face_batch import Predicted
from pipeline.training.example import Batch
from pipeline.training.losses.multibox import Losses, MultiboxLoss
from pipeline.training.recipe import TrainingRecipe
from pipeline.training.schedule import learning_rate, optimizer
from pipeline.training.targets import encode_targets

Progress = Callable[[int, int, dict[str, float]], None]
"""(steps done, steps in all, losses of the last step by name)."""


class TrainingError(RuntimeError):
    """The loss is no longer a number; the weights are of no use."""


@dataclass(frozen=True, slots=True)
class History:
    """What the losses did.

    Attributes:
        losses: name ("box", "face", "landmarks", "total") -> float32 [steps].
        rates: float32 [steps], learning rate of each step.
    """

    losses: dict[str, NDArray[np.float32]]
    rates: NDArray[np.float32]


def train(
    detector: Detector,
    batches: Callable[[int], Batch],
    recipe: TrainingRecipe,
    loss: MultiboxLoss | None = None,
    assigner: Assigner = ASSIGNERS["max_iou"],
    progress: Progress | None = None,
) -> History:
    """Trains `detector` in place and returns the history of its losses.

    The detector ends in evaluation mode, on the device where it was, its kernels in the usual memory layout. Same
    weights at the start, same batches, same recipe, same machine and number of threads: same bytes.

    Args:
        detector: in any mode, on any device.
        batches: step number -> batch; the images are moved to the detector's device.
        recipe: steps, optimiser, schedule.
        loss: what is minimised; RetinaFace's published weights if None.
        assigner: which anchor learns which face.
        progress: called after every step.

    Raises:
        TrainingError: at the first loss that is not finite, naming the step and the images.
    """
    loss = loss or MultiboxLoss()
    names = Losses._fields
    losses = np.zeros((recipe.steps, len(names)), np.float32)
    rates = np.zeros(recipe.steps, np.float32)
    descent = optimizer(detector, recipe.optimizer, recipe.learning_rate, recipe.weight_decay, recipe.momentum)
    detector.train()
    with _deterministic(), _channels_last(detector):
        for step in range(recipe.steps):
            rates[step] = learning_rate(step, recipe.steps, recipe.learning_rate, recipe.warmup, recipe.decay)
            for group in descent.param_groups:
                group["lr"] = float(rates[step])
            losses[step] = _step(detector, batches(step), step, loss, assigner, descent, recipe.clip_norm)
            if progress is not None:
                progress(step + 1, recipe.steps, dict(zip(names, losses[step].tolist(), strict=True)))
    detector.eval()
    return History(losses={name: losses[:, i] for i, name in enumerate(names)}, rates=rates)


def _step(
    detector: Detector,
    batch: Batch,
    step: int,
    loss: MultiboxLoss,
    assigner: Assigner,
    descent: torch.optim.Optimizer,
    clip_norm: float | None,
) -> list[float]:
    """Moves the weights once and returns the losses before the move."""
    device = next(detector.parameters()).device
    images = batch.images.to(device, memory_format=torch.channels_last)
    anchors = Anchors.of(detector.grid, images.shape[2], images.shape[3], device)
    raw = detector(images)
    predicted = _predicted(detector, raw, anchors) if assigner.needs_prediction else None
    targets = encode_targets(anchors, batch.faces, assigner, detector.coder, predicted)
    terms = loss(raw, targets)
    values = torch.stack(terms).tolist()
    if not np.isfinite(values).all():
        named = ", ".join(f"{name} {value:g}" for name, value in zip(Losses._fields, values, strict=True))
        raise TrainingError(
            f"the loss of step {step} is not finite ({named}); its images: {', '.join(batch.image_ids)}; "
            "look at their boxes, or lower the learning rate"
        )
    descent.zero_grad(set_to_none=True)
    torch.autograd.backward(terms.total)
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(detector.parameters(), clip_norm)
    descent.step()
    return values


@torch.no_grad()
def _predicted(detector: Detector, raw: Raw, anchors: Anchors) -> Predicted:
    """Returns what the detector says before this step, for assigners that look at it."""
    scores = raw.logits.float()
    # The logit of a softmax over two classes is their difference.
    logits = scores[..., 0] if scores.shape[-1] == 1 else scores[..., 1] - scores[..., 0]
    return Predicted(logits, detector.decode(raw, anchors.centres)[0])


@contextmanager
def _deterministic() -> Iterator[None]:
    """Makes torch refuse operations whose result depends on timing; gives back the setting that was there."""
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextmanager
def _channels_last(detector: nn.Module) -> Iterator[None]:
    """Holds the kernels channels-last, in which a step takes about 0.7 of the time on a CPU."""
    detector.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        detector.to(memory_format=torch.contiguous_format)
