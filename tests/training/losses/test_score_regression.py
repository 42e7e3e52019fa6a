"""The regressions of Table 1 against numbers worked by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from pipeline.training.losses.score_regression import EDGE, Regression, score_regression, soft_cross_entropy

REFINED = torch.tensor([[0.9, 0.2, 1.8, 0.5]], dtype=torch.float64)
TRUTHS = torch.tensor([[0.7, 0.3, 0.1, 1.0]], dtype=torch.float64)
KINDS = pytest.mark.parametrize("kind", get_args(Regression))


def bce(p: float, t: float) -> float:
    return -t * math.log(p) - (1 - t) * math.log1p(-p)


@pytest.mark.parametrize(
    ("kind", "each"),
    [("l1", (0.2, 0.1, 1.7, 0.5)), ("l2", (0.04, 0.01, 2.89, 0.25)), ("smooth_l1", (0.02, 0.005, 1.2, 0.125))],
)
def test_worked_numbers(kind: Regression, each: tuple[float, ...]) -> None:
    for rows in (1, 2, 3, 4):
        got = score_regression(kind, REFINED, TRUTHS, torch.tensor([rows])).item()
        assert got == pytest.approx(sum(each[:rows]) / rows, abs=1e-12)


def test_cross_entropy_inside_the_range() -> None:
    got = score_regression("cross_entropy", REFINED[:, [0, 1, 3]], TRUTHS[:, [0, 1, 3]], torch.tensor([3])).item()
    assert got == pytest.approx((bce(0.9, 0.7) + bce(0.2, 0.3) + bce(0.5, 1.0)) / 3, abs=1e-12)
    assert bce(0.9, 0.7) == pytest.approx(0.7645, abs=1e-4)


@pytest.mark.parametrize(
    ("refined", "truth", "direction"),
    [(-0.5, 0.6, 1), (-0.5, 0.0, 0), (1.5, 0.6, -1), (1.5, 1.0, 0), (0.0, 0.3, 1), (0.3, 0.6, 1), (0.9, 0.6, -1)],
)
def test_cross_entropy_brings_back_what_left_the_range(refined: float, truth: float, direction: int) -> None:
    """A clip alone would have no gradient in the first and the third case."""
    score = torch.tensor([refined], dtype=torch.float64, requires_grad=True)
    soft_cross_entropy(score, torch.tensor([truth], dtype=torch.float64)).backward()
    assert torch.sign(-score.grad).item() == direction


LOW, HIGH, BEYOND = EDGE, 1 - EDGE, EDGE / 2  # a truth between edge and end is beyond the edge, too


@pytest.mark.parametrize(
    ("refined", "truth", "edge", "sloped"),
    [
        *((-0.5, 0.6, LOW, True), (0.0, 0.6, LOW, True), (1.5, 0.6, HIGH, True), (1.0, 0.6, HIGH, True)),
        *((1 - EDGE / 2, 0.6, HIGH, True), (4.0, 0.0, HIGH, True)),
        *((-0.5, 0.0, LOW, False), (-0.5, BEYOND, LOW, False), (1.5, 1.0, HIGH, False)),
        *((1.5, 1 - BEYOND, HIGH, False), (1.0, 1.0, HIGH, False)),
    ],
)
def test_cross_entropy_goes_on_in_a_straight_line(refined: float, truth: float, edge: float, sloped: bool) -> None:
    """Outside: the loss at the edge and its slope there; no slope on the truth's side."""
    slope = (edge - truth) / (edge * (1 - edge)) * sloped
    got = soft_cross_entropy(*torch.tensor([[refined], [truth]], dtype=torch.float64)).item()
    assert got == pytest.approx(bce(edge, truth) + slope * (refined - edge), rel=1e-9)


def test_cross_entropy_has_no_jump_and_no_corner_at_the_edge() -> None:
    truth = torch.tensor([0.6, 0.6, 0.6], dtype=torch.float64)
    score = torch.tensor([EDGE - 1e-9, EDGE, EDGE + 1e-9], dtype=torch.float64, requires_grad=True)
    loss = soft_cross_entropy(score, truth)
    loss.sum().backward()
    assert loss.diff().abs().max().item() < 1e-5
    assert score.grad.diff().abs().max().item() < 1e-2 and score.grad.max() < -500


def test_smooth_l1_changes_its_form_at_one() -> None:
    refined = torch.tensor([[1.0, 1.25, 0.75, 2.0]], dtype=torch.float64, requires_grad=True)
    loss = score_regression("smooth_l1", refined, torch.zeros(1, 4), torch.tensor([4]))
    assert loss.item() == pytest.approx((0.5 + 0.75 + 0.28125 + 1.5) / 4)
    (gradient,) = torch.autograd.grad(loss.sum(), refined)
    assert (4 * gradient[0]).tolist() == pytest.approx([1, 1, 0.75, 1])


@KINDS
def test_a_step_brings_the_score_nearer(kind: Regression) -> None:
    refined = torch.tensor([[0.9, 0.2, 0.001]], requires_grad=True)
    truths = torch.tensor([[0.7, 0.3, 0.5]])
    score_regression(kind, refined, truths, torch.tensor([3])).sum().backward()
    assert torch.equal(torch.sign(-refined.grad), torch.sign(truths - refined).detach())


@KINDS
def test_padding_and_empty_images(kind: Regression) -> None:
    refined = REFINED.repeat(2, 1).requires_grad_()
    got = score_regression(kind, refined, TRUTHS.repeat(2, 1), torch.tensor([2, 0]))
    assert got.shape == (2,) and got[1].item() == 0
    assert got[0].item() == score_regression(kind, REFINED[:, :2], TRUTHS[:, :2], torch.tensor([2])).item()
    got.sum().backward()
    assert not refined.grad[0, 2:].any() and not refined.grad[1].any() and refined.grad[0, :2].all()
