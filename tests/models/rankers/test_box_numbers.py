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


@pytest.mark.parametrize(
    ("score", "logit"), [(1.0, 1 - 1e-5), (0.0, 1e-5), (1.3, 1 - 1e-5), (-0.2, 1e-5), (0.75, 0.75)]
)
def test_the_logit_of_a_score_ends_near_the_ends(score: float, logit: float) -> None:
    """Scores of a dump may lie outside 0..1; the score itself is told as it is."""
    rows = torch.tensor([[0.1, 0.1, 0.2, 0.2, score]])
    numbers = own_numbers(rows, torch.tensor([0]), torch.tensor([100.0, 100.0]), 10)[0]
    assert numbers[0].item() == pytest.approx(score)
    assert numbers[1].item() == pytest.approx(math.log(logit / (1 - logit)) / 5, rel=1e-3)


def test_a_table_of_one_row() -> None:
    numbers = own_numbers(torch.full((1, 5), 0.5), torch.tensor([0]), torch.tensor([100.0, 100.0]), 1)
    assert torch.isfinite(numbers).all() and numbers[0, 2] == 0
