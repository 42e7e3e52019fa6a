"""Gradient of a batch in parts that fit into memory, equal to that of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.training.loop.determinism import batch_norms
from pipeline.training.tasks.task import Sized, map_tensors

B = TypeVar("B", bound=Sized)


def forward_in_parts(
    forward: Callable[[B], Any], batch: B, parts: int, model: nn.Module, network: Callable[..., Any] | None = None
) -> tuple[Any, Callable[[], None]]:
    """Returns the outputs of a whole batch, and how to continue the gradient from them.

    What a loss is divided by, and with it every gradient, depends on all images of a batch and on all outputs (HCAM's
    labels, compensated anchors). The outputs are therefore computed first, without the memory a gradient needs; the
    caller takes the loss of all of them and runs its backward pass as far as the outputs; then each part is computed
    again and continues the gradient from its rows. Only batch statistics make the result differ from that of one part:
    norms see a part at a time. The second pass costs about a third of a step.

    Args:
        forward: part of the batch -> its outputs, see `Task.forward`.
        batch: B images of one size.
        parts: consecutive pieces of nearly equal size, at most B.
        model: in training mode.
        network: that `forward` calls, if it is not the model; a wrapper for several processes exchanges gradients with
            the last part.

    Raises:
        ValueError: more parts than images, or none.
    """
    pieces = split_batch(batch, parts)
    with torch.no_grad(), _statistics_kept(model):
        outputs = [forward(piece) for piece in pieces]
    leaves = [torch.cat(column).requires_grad_() for column in zip(*map(_tensors, outputs), strict=True)]

    def backward() -> None:
        slopes = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        shares = zip(*(slope.tensor_split(parts) for slope in slopes), strict=True)
        unsynchronised = getattr(network, "no_sync", nullcontext)
        for number, (piece, share) in enumerate(zip(pieces, shares, strict=True)):
            with unsynchronised() if number < parts - 1 else nullcontext():
                torch.autograd.backward(_tensors(forward(piece)), list(share))

    rest = iter(leaves)
    return map_tensors(outputs[0], lambda _: next(rest)), backward


def split_batch(batch: B, parts: int) -> list[B]:
    """Returns a batch in consecutive pieces, the first ones an image longer where they are not equal.

    Args:
        batch: a dataclass whose fields are tuples and tensors of one entry per image.
        parts: at most as many as there are images.

    Raises:
        ValueError: more parts than images, or none.
    """
    count = len(batch.image_ids)
    if not 1 <= parts <= count:
        raise ValueError(f"a batch of {count} images cannot be taken in {parts} parts")
    each_has, more = divmod(count, parts)
    ends = list(accumulate(each_has + (number < more) for number in range(parts)))
    borders = [slice(start, end) for start, end in pairwise([0, *ends])]
    named = {each.name: getattr(batch, each.name) for each in fields(batch)}  # type: ignore[arg-type]
    return [
        replace(batch, **{name: values[border] for name, values in named.items()})  # type: ignore[type-var]
        for border in borders
    ]


def _tensors(outputs: Any) -> list[Tensor]:
    """Returns the tensors of outputs: themselves, or those of a dataclass, of nested dataclasses too."""
    if outputs is None or isinstance(outputs, Tensor):
        return [] if outputs is None else [outputs]
    return [tensor for each in fields(outputs) for tensor in _tensors(getattr(outputs, each.name))]


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Lets batch norms use a batch's statistics without taking them into their running means."""
    tracking = [norm for norm in batch_norms(model) if norm.training and norm.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
