"""A batch's losses and gradient: in one go, or in parts that fit into memory, with the same outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Raw
from pipeline.training.detector_task import BatchLosses, DetectorTask
from pipeline.training.example import Batch
from pipeline.training.losses.detection import Normalise, alone


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The losses of a batch whose gradient has not been computed yet.

    Attributes:
        losses: to be looked at first: a loss that is no number has no gradient.
        backward: adds the gradient of ``scale * total`` to the parameters'; to be called once at most.
    """

    losses: BatchLosses
    backward: Callable[[float], None]


def evaluate(
    task: DetectorTask, batch: Batch, *, parts: int = 1, bf16: bool = False, normalise: Normalise = alone
) -> Evaluated:
    """Returns the losses of a batch and how to get their gradient.

    What a loss is divided by, and with it every gradient, depends on all images of a batch and on what the network
    answers (HCAM's labels, compensated anchors). With several parts the answers are therefore computed first, without
    the memory a gradient needs; the loss is taken of all of them together; then each part is computed again and
    continues the gradient from its rows. Only batch statistics tell the outcome from that of one part: norms see a
    part at a time. The second pass costs about a third of a step.

    Args:
        task: whose detector is in training mode.
        batch: B images of one size.
        parts: consecutive pieces of nearly equal size, at most B.
        bf16: see `DetectorTask.forward`.
        normalise: see `Objective`; called once.

    Raises:
        ValueError: where there are more parts than images, or none.
    """
    count = len(batch.image_ids)
    if not 1 <= parts <= count:
        raise ValueError(f"a batch of {count} images cannot be taken in {parts} parts")
    size = batch.images.shape[2:]
    if parts == 1:
        losses = task.losses(task.forward(batch.images, bf16=bf16), batch.faces, size, normalise)
        return Evaluated(losses, lambda scale: _run(losses.total, scale))
    pieces = batch.images.tensor_split(parts)
    with torch.no_grad(), _statistics_kept(task.detector):
        answers = [_tensors(task.forward(piece, bf16=bf16)) for piece in pieces]
    leaves = [torch.cat(column).requires_grad_() for column in zip(*(tensors for _, tensors in answers), strict=True)]
    whole = _rebuilt(answers[0][0], iter(leaves))
    losses = task.losses(whole, batch.faces, size, normalise)

    def backward(scale: float) -> None:
        _run(losses.total, scale)
        slopes = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        shares = zip(*(slope.tensor_split(parts) for slope in slopes), strict=True)
        for number, (piece, share) in enumerate(zip(pieces, shares, strict=True)):
            with _unsynchronised(task) if number < parts - 1 else nullcontext():
                torch.autograd.backward(_tensors(task.forward(piece, bf16=bf16))[1], list(share))

    return Evaluated(losses, backward)


def _run(total: Tensor, scale: float) -> None:
    torch.autograd.backward(total if scale == 1 else total * scale)


def _tensors(raw: Raw) -> tuple[Sequence[str], list[Tensor]]:
    """Returns the names of an answer's parts, those of the first-shot head behind a dot, and the parts."""
    names, values = [], []
    for each in fields(raw):
        value = getattr(raw, each.name)
        if isinstance(value, Raw):
            inner, tensors = _tensors(value)
            names += [f"{each.name}.{name}" for name in inner]
            values += tensors
        elif value is not None:
            names.append(each.name)
            values.append(value)
    return names, values


def _rebuilt(names: Sequence[str], values: Iterator[Tensor]) -> Raw:
    """Returns the answer that `_tensors` took apart."""
    own = dict(zip(names, values, strict=True))
    inner = {name.partition(".")[2]: value for name, value in own.items() if "." in name}
    outer = {name: value for name, value in own.items() if "." not in name}
    return Raw(**outer, first_shot=_rebuilt(list(inner), iter(inner.values())) if inner else None)


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Lets batch norms use a batch's statistics without taking them into their running means."""
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    tracking = [norm for norm in norms if norm.training and norm.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True


def _unsynchronised(task: DetectorTask) -> AbstractContextManager[None]:
    """Keeps a wrapper for several processes from exchanging gradients before the last part."""
    pause = getattr(task.network, "no_sync", nullcontext)
    context: AbstractContextManager[None] = pause()
    return context
