import math

import pytest
import torch

from pipeline.models.rankers.box_numbers import OWN, own_numbers


def test_numbers_of_a_box_by_hand() -> None:
    rows = torch.tensor([[0.25, 0.5, 0.25, 0.25, 0.5], [-0.1, 0, 0.2, 0.2, 1.0]])
    numbers = own_numbers(rows, torch.tensor([0, 99]), torch.tensor([640.0, 160.0]), 100)
    expected = torch.tensor([0.5, 0, 0, math.log2(160 * 40) / 4 - 2.5, 2, -0.25, 0.25, 0])
    assert numbers.shape == (2, OWN)
    torch.testing.assert_close(numbers[0], expected)
    assert float(numbers[1, 2]) == pytest.approx(1)
    assert float(numbers[1, 7]) == 1
    assert torch.isfinite(numbers).all()
