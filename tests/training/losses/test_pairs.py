"""Which rows are compared, against a loop over all pairs."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.losses.pairs import Offsets, Ties, compare, offsets_of


@pytest.mark.parametrize(
    ("pairs", "offsets", "wanted"),
    [(1, "all", (1,)), (3, "all", (1, 2, 3)), (1, "ends", (1,)), (2, "ends", (1, 2)), (10, "ends", (1, 10))],
)
def test_how_far_apart(pairs: int, offsets: Offsets, wanted: tuple[int, ...]) -> None:
    assert offsets_of(pairs, offsets) == wanted


@pytest.mark.parametrize("ties", ["skip", "literal"])
@pytest.mark.parametrize("offset", [1, 2, 5, 6, 9])
def test_equals_a_loop(offset: int, ties: Ties) -> None:
    generator = torch.Generator().manual_seed(offset)
    truths = torch.randint(0, 3, (4, 6), generator=generator) / 2  # many ties
    valid = torch.tensor([6, 4, 1, 0])
    got = compare(truths, valid, offset, ties)
    counted = 0
    for image in range(4):
        for i in range(max(0, 6 - offset)):
            j = i + offset
            one, other = truths[image, i].item(), truths[image, j].item()
            wanted = j < valid[image].item() and (ties == "literal" or one != other)
            assert got.counted[image, i].item() == wanted
            assert got.first_is_better[image, i].item() == (one > other)
            assert got.margin[image, i].item() == abs(one - other)
            counted += wanted
    assert got.counted.shape == (4, max(0, 6 - offset))
    assert got.counted.sum().item() == counted
    assert (counted > 0) == (offset < 6)
