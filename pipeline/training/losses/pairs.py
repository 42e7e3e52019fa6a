"""Pairs of boxes of an image that are compared, and which of the two is better: n-pairs (CRFace, section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Offsets = Literal["all", "ends"]
Ties = Literal["skip", "literal"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows i and i + k of B tables, for one k and all i at once: P = max(N - k, 0) pairs per image.

    Attributes:
        first_is_better: bool [B, P]: whether row i overlaps its face more than row i + k.
        margin: [B, P] in 0..1: absolute difference of the overlaps.
        counted: bool [B, P]: both rows are real boxes and differ (or ties count).
    """

    first_is_better: Tensor
    margin: Tensor
    counted: Tensor


def offsets_of(pairs: int, offsets: Offsets = "all") -> tuple[int, ...]:
    """Returns the distances between compared rows of n `pairs`, n at least 1.

    The paper calls neighbours "1 pair" and adds "the odd and even pair" for 2: n-pairs are then 1, 2, ... n rows apart.
    It does not say what is between for larger n; "ends" takes 1 and n alone.
    """
    return tuple(range(1, pairs + 1)) if offsets == "all" else tuple(sorted({1, pairs}))


def compare(truths: Tensor, valid: Tensor, offset: int, ties: Ties = "skip") -> Comparison:
    """Returns all pairs of rows `offset` apart, as views of the same table.

    On real candidates two of three neighbours are both background, with a truth of 0; Eq. 1 read literally has the
    second of them win.

    Args:
        truths: float [B, N], the overlap of each row with its closest face, in the detector's order.
        valid: int64 [B], rows that are boxes; the padding behind them is not compared.
        offset: k, 1 or more.
        ties: pairs of equal truth are left out ("skip"), or the second row is taken for the better one ("literal").
    """
    first, second = truths[:, :-offset], truths[:, offset:]
    counted = torch.arange(offset, offset + second.shape[1], device=truths.device) < valid[:, None]
    if ties == "skip":
        counted &= first != second
    return Comparison(first > second, (first - second).abs(), counted)
