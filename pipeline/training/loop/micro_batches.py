"""A batch's losses and gradient: in one go, or in parts that fit into memory, with the same outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.training.tasks.task import Losses, Normalise, Sized, Task, no_reduction

B = TypeVar("B", bound=Sized)


@dataclass(frozen=True, slots=True)
class ComputedLosses:
    """The losses of a batch whose gradient has not been computed yet.

    Attributes:
        losses: to be looked at first: a loss that is no number has no gradient.
        backward: adds the gradient of ``scale * total`` to the parameters'; to be called once at most.
    """

    losses: Losses
    backward: Callable[[float], None]


def compute_losses(
    task: Task[B], batch: B, *, parts: int = 1, bf16: bool = False, normalise: Normalise = no_reduction
) -> ComputedLosses:
    """Returns the losses of a batch and how to get their gradient.

    What a loss is divided by, and with it every gradient, depends on all images of a batch and on what the network
    answers (HCAM's labels, compensated anchors). With several parts the answers are therefore computed first, without
    the memory a gradient needs; the loss is taken of all of them together; then each part is computed again and
    continues the gradient from its rows. Only batch statistics tell the outcome from that of one part: norms see a
    part at a time. The second pass costs about a third of a step.

    Args:
        task: whose model is in training mode.
        batch: B images of one size.
        parts: consecutive pieces of nearly equal size, at most B.
        bf16: see `Task.answer`.
        normalise: see `Task.weigh`; called once.

    Raises:
        ValueError: where there are more parts than images, or none.
    """
    count = len(batch.image_ids)
    if not 1 <= parts <= count:
        raise ValueError(f"a batch of {count} images cannot be taken in {parts} parts")
    if parts == 1:
        losses = task.weigh(task.answer(batch, bf16=bf16), batch, normalise)
        return ComputedLosses(losses, lambda scale: _run(losses.total, scale))
    pieces = split_batch(batch, parts)
    with torch.no_grad(), _statistics_kept(task.model):
        answers = [task.answer(piece, bf16=bf16) for piece in pieces]
    leaves = [torch.cat(column).requires_grad_() for column in zip(*map(_tensors, answers), strict=True)]
    losses = task.weigh(_rebuilt(answers[0], iter(leaves)), batch, normalise)

    def backward(scale: float) -> None:
        _run(losses.total, scale)
        slopes = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        shares = zip(*(slope.tensor_split(parts) for slope in slopes), strict=True)
        for number, (piece, share) in enumerate(zip(pieces, shares, strict=True)):
            with _unsynchronised(task.network) if number < parts - 1 else nullcontext():
                torch.autograd.backward(_tensors(task.answer(piece, bf16=bf16)), list(share))

    return ComputedLosses(losses, backward)


def split_batch(batch: B, parts: int) -> list[B]:
    """Returns a batch in consecutive pieces, the first ones an image longer where it does not come out even.

    Args:
        batch: a dataclass whose fields are tuples and tensors of one entry per image.
        parts: at most as many as there are images.
    """
    each_has, more = divmod(len(batch.image_ids), parts)
    ends = list(accumulate(each_has + (number < more) for number in range(parts)))
    borders = [slice(start, end) for start, end in pairwise([0, *ends])]
    named = {each.name: getattr(batch, each.name) for each in fields(batch)}  # type: ignore[arg-type]
    return [
        replace(batch, **{name: values[border] for name, values in named.items()})  # type: ignore[type-var]
        for border in borders
    ]


def _run(total: Tensor, scale: float) -> None:
    torch.autograd.backward(total if scale == 1 else total * scale)


def _tensors(answer: Any) -> list[Tensor]:
    """Returns the tensors of an answer: itself, or those of a dataclass, of the dataclasses in it too."""
    if answer is None or isinstance(answer, Tensor):
        return [] if answer is None else [answer]
    return [tensor for each in fields(answer) for tensor in _tensors(getattr(answer, each.name))]


def _rebuilt(like: Any, tensors: Iterator[Tensor]) -> Any:
    """Returns an answer of the same form with other tensors, in the order in which `_tensors` gave them."""
    if like is None or isinstance(like, Tensor):
        return None if like is None else next(tensors)
    return replace(like, **{each.name: _rebuilt(getattr(like, each.name), tensors) for each in fields(like)})


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


def _unsynchronised(network: Callable[..., Any] | None) -> AbstractContextManager[None]:
    """Keeps a wrapper for several processes from exchanging gradients before the last part."""
    pause = getattr(network, "no_sync", nullcontext)
    context: AbstractContextManager[None] = pause()
    return context
