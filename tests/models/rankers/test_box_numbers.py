from __future__ import annotations

import math

import pytest
import torch

from pipeline.models.rankers.box_numbers import OWN, own_numbers


def test_numbers_of_a_box_by_hand() -> None:
    rows = torch.tensor([[0.25, 0.5, 0.25, 0.25, 0.5], [0, 0, 0, 0.2, 1.0]])
    numbers = own_numbers(rows, torch.tensor([0, 99]), torch.tensor([640.0, 160.0]), 100)
    # Centre at 240 x 100 of 640 pixels along the long edge.
    expected = torch.tensor([0.5, 0, 0, math.log2(160 * 40) / 4 - 2.5, 2, 2 * 240 / 640 - 1, 2 * 100 / 640 - 1])
    assert numbers.shape == (2, OWN)
    torch.testing.assert_close(numbers[0], expected)
    assert float(numbers[1, 2]) == pytest.approx(1)
    assert torch.isfinite(numbers).all()


def test_an_image_padded_to_a_square_changes_nothing() -> None:
    rows = torch.tensor([[0.25, 0.5, 0.25, 0.25, 0.5], [0.1, 0.2, 0.3, 0.4, 0.4]])
    padded = rows * torch.tensor([1, 0.25, 1, 0.25, 1])
    alone, square = (
        own_numbers(table, torch.tensor([0, 1]), torch.tensor(size), 100)
        for table, size in ((rows, [640.0, 160.0]), (padded, [640.0, 640.0]))
    )
    torch.testing.assert_close(alone, square)
