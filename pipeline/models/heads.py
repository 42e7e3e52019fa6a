"""Heads: one vector of numbers for every anchor of every feature level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DenseHead(nn.Module):
    """One convolution with bias per level, or one for all, whose channels are ``anchors x values``."""

    def __init__(
        self, inputs: int, anchors: Sequence[int], values: int, *, kernel: int = 1, shared: bool = False
    ) -> None:
        """Args: channels of every level; anchors per cell of each; numbers per anchor; kernel side; one for all levels.

        Raises ValueError where levels that share differ in their anchors per cell.
        """
        super().__init__()
        if shared and len(set(anchors)) > 1:
            raise ValueError(f"levels with {list(anchors)} anchors per cell cannot share a head")
        self.values = values
        own = anchors[:1] if shared else anchors
        self.levels = nn.ModuleList(nn.Conv2d(inputs, count * values, kernel, padding=kernel // 2) for count in own)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Returns [B, A, values], anchors ordered by level, row, column, size, of maps [B, inputs, H_i, W_i]."""
        answers = [conv(level) for conv, level in zip(for_each(self.levels, levels), levels, strict=True)]
        return flatten_levels(answers, self.values)


def for_each(modules: nn.ModuleList, levels: Sequence[Tensor]) -> list[nn.Module]:
    """Returns the module of each level: the only one again and again where they share it."""
    return list(modules) * len(levels) if len(modules) == 1 else list(modules)


def flatten_levels(answers: Sequence[Tensor], values: int) -> Tensor:
    """Returns [B, A, values] of head maps [B, anchors * values, H_i, W_i], ordered by level, row, column, size."""
    rows = [answer.permute(0, 2, 3, 1).reshape(answer.shape[0], -1, values) for answer in answers]
    return torch.cat(rows, dim=1)


class DenseHeads(nn.Module):
    """Several dense heads over the same maps, e.g. boxes, classes and landmarks."""

    def __init__(
        self, inputs: int, anchors: Sequence[int], values: Sequence[int], *, kernel: int = 1, shared: bool = False
    ) -> None:
        """Args: channels of every level; anchors per cell of each; numbers per anchor of each head; see `DenseHead`."""
        super().__init__()
        self.kinds = nn.ModuleList(DenseHead(inputs, anchors, count, kernel=kernel, shared=shared) for count in values)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Returns one [B, A, values[k]] per head of maps [B, inputs, H_i, W_i]."""
        return tuple(head(levels) for head in self.kinds)

    def joined(self) -> JointHeads:
        """Returns the same function with one convolution per level instead of one per head and level."""
        kinds = [head for head in self.kinds if isinstance(head, DenseHead)]
        levels = [_join(list(convs)) for convs in zip(*(head.levels for head in kinds), strict=True)]
        return JointHeads(levels, [head.values for head in kinds])


class JointHeads(nn.Module):
    """Dense heads whose convolutions are stacked: a level's map is read once. Made by `DenseHeads.joined`."""

    def __init__(self, levels: Sequence[nn.Conv2d], values: Sequence[int]) -> None:
        """Args: a convolution per level or one for all, ``anchors x sum(values)`` channels; numbers per anchor each."""
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.values = tuple(values)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Returns one [B, A, values[k]] per head of maps [B, inputs, H_i, W_i]."""
        parts = []
        for conv, level in zip(for_each(self.levels, levels), levels, strict=True):
            answer: Tensor = conv(level)
            anchors = answer.shape[1] // sum(self.values)
            parts.append(torch.split(answer, [anchors * count for count in self.values], dim=1))
        return tuple(
            flatten_levels(maps, count) for maps, count in zip(zip(*parts, strict=True), self.values, strict=True)
        )


def _join(convolutions: Sequence[nn.Module]) -> nn.Conv2d:
    """Returns one convolution whose output is the concatenation of theirs."""
    parts = [conv for conv in convolutions if isinstance(conv, nn.Conv2d)]
    first = parts[0]
    joined = nn.Conv2d(
        first.in_channels,
        sum(conv.out_channels for conv in parts),
        first.kernel_size,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        device=first.weight.device,
        dtype=first.weight.dtype,
    )
    with torch.no_grad():
        joined.weight.copy_(torch.cat([conv.weight for conv in parts]))
        assert joined.bias is not None
        joined.bias.copy_(torch.cat([conv.bias for conv in parts if conv.bias is not None]))
    return joined
