"""Worked numbers of the ranking loss, its sign, and what must not affect it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pipeline.training.losses.pairs import Ties
from pipeline.training.losses.pairwise_rank import Form, PairwiseRankLoss
from pipeline.training.recipes.ranker import RankerRecipe

REFINED = torch.tensor([[0.92, 0.90, 0.55, 0.30, 0.10]], dtype=torch.float64)
TRUTHS = torch.tensor([[0.70, 0.85, 0, 0.60, 0]], dtype=torch.float64)
TERMS = {
    1: (0.7031971797, 0.5333821554, 0.8259394199, 0.5981388694),
    2: (0.5251629497, 0.4374879505),
    3: (0.430446744, 0.3711006659),
}
FORMS = pytest.mark.parametrize("form", ["logistic", "margin"])


def _loss(pairs: int, refined: Tensor = REFINED, truths: Tensor = TRUTHS, **settings: object) -> float:
    """The loss of one image whose rows are all boxes."""
    loss = PairwiseRankLoss(pairs, **settings)  # type: ignore[arg-type]
    return loss(refined, truths, torch.tensor([refined.shape[1]])).item()


def _mean(k: int) -> float:
    return sum(TERMS[k]) / len(TERMS[k])


@pytest.mark.parametrize(
    ("pairs", "without_ties", "with_ties"),
    [(1, 0.6651644061, 0.6651644061), (2, 0.5732449281, 0.6502321774), (3, 0.5157545204, 0.5670793533)],
)
def test_worked_numbers(pairs: int, without_ties: float, with_ties: float) -> None:
    """Rows 3 and 5 tie; read literally, the second is to win."""
    assert _loss(pairs) == pytest.approx(without_ties, abs=1e-9)
    assert _loss(pairs) == pytest.approx(sum(_mean(k) for k in range(1, pairs + 1)) / pairs, abs=1e-9)
    assert _loss(pairs, ties="literal") == pytest.approx(with_ties, abs=1e-9)


@pytest.mark.parametrize(("k", "term"), [(k, term) for k, terms in TERMS.items() for term in range(len(terms))])
def test_each_pair_alone(k: int, term: int) -> None:
    """Two rows, which are those of the worked example."""
    rows = [[i, i + k] for i in range(5 - k) if TRUTHS[0, i] != TRUTHS[0, i + k]][term]
    assert _loss(1, REFINED[:, rows], TRUTHS[:, rows]) == pytest.approx(TERMS[k][term], abs=1e-9)


def test_ends_alone() -> None:
    assert _loss(3, offsets="ends") == pytest.approx((_mean(1) + _mean(3)) / 2, abs=1e-9)
    assert _loss(2, offsets="ends") == _loss(2)


def test_temperature_is_a_factor() -> None:
    assert _loss(3, temperature=4.0) == pytest.approx(_loss(3, 4 * REFINED), abs=1e-12)


def test_bounds_of_the_loss() -> None:
    """Scores in 0..1: ln(1 + 1 / e) where the better box leads by one, ln(1 + e) where it trails by one."""
    for first, wanted in ((1.0, math.log1p(math.exp(-1))), (0.0, math.log1p(math.e)), (0.5, math.log(2))):
        refined = torch.tensor([[first, 1 - first]], dtype=torch.float64)
        assert _loss(1, refined, torch.tensor([[1.0, 0.0]]).double()) == pytest.approx(wanted, abs=1e-9)
    assert (round(math.log1p(math.exp(-1)), 3), round(math.log1p(math.e), 3)) == (0.313, 1.313)


@FORMS
@pytest.mark.parametrize("better", [0, 1])
def test_a_step_raises_the_better_box(form: Form, better: int) -> None:
    truths = torch.zeros(1, 2)
    truths[0, better] = 0.7
    refined = torch.tensor([[0.4, 0.5]], requires_grad=True)
    PairwiseRankLoss(10, form=form)(refined, truths, torch.tensor([2])).sum().backward()
    moved = (refined - 0.1 * refined.grad).detach()[0]
    assert moved[better] > refined[0, better] and moved[1 - better] < refined[0, 1 - better]


def test_steps_order_the_boxes() -> None:
    """Ten rows in the wrong order, and only neighbours up to three apart compared: descent sorts them."""
    truths = torch.linspace(0, 0.9, 10)[None]
    refined = torch.linspace(1, 0, 10)[None].clone().requires_grad_()
    for _ in range(60):
        (gradient,) = torch.autograd.grad(PairwiseRankLoss(3)(refined, truths, torch.tensor([10])).sum(), refined)
        refined = (refined - 2 * gradient).detach().requires_grad_()
    assert (refined.diff() > 0).all()


def test_scores_outside_the_range_keep_their_gradient() -> None:
    refined = torch.tensor([[-0.4, -0.2, 1.3, 1.2]], requires_grad=True)
    PairwiseRankLoss(3)(refined, torch.tensor([[0.9, 0.1, 0.0, 0.3]]), torch.tensor([4])).sum().backward()
    assert (refined.grad != 0).all()


def test_margin_rescaling() -> None:
    """Margins are .15, .85, .6 and .6; leads of .02 - .35, .25 and .2 are short of them."""
    short = [0.15 + 0.02, 0.85 - 0.35, 0.6 + 0.25, 0.6 - 0.2]
    assert _loss(1, form="margin") == pytest.approx(sum(short) / 4, abs=1e-12)
    for ties in ("skip", "literal"):
        assert _loss(3, TRUTHS, form="margin", ties=ties) == pytest.approx(0, abs=1e-15)


def test_more_than_the_margin_costs_nothing_and_pays_nothing() -> None:
    """Leads of .45 and .4, margins of .1 and .5: the first pair has no effect, whatever its lead."""
    truths, valid = torch.tensor([[0.6, 0.5, 0.0]], dtype=torch.float64), torch.tensor([3])
    refined = torch.tensor([[0.95, 0.5, 0.1]], dtype=torch.float64, requires_grad=True)
    loss = PairwiseRankLoss(1, form="margin")(refined, truths, valid)
    assert loss.item() == pytest.approx((0 + 0.1) / 2, abs=1e-12)
    (gradient,) = torch.autograd.grad(loss.sum(), refined)
    assert gradient[0].tolist() == [0, -0.5, 0.5]
    assert _loss(1, torch.tensor([[9.0, 0.5, 0.1]], dtype=torch.float64), truths, form="margin") == loss.item()
    # All kept: nothing is left to learn, and no pair pays for another.
    assert _loss(2, torch.tensor([[9.0, 5.0, 1.0]]).double(), truths, form="margin") == 0


@pytest.mark.parametrize(("temperature", "wanted"), [(2.0, 0.0), (0.5, 0.3), (0.1, 0.055 + 0.46)])
def test_the_margin_is_that_of_the_difference_times_the_temperature(temperature: float, wanted: float) -> None:
    truths, refined = torch.tensor([[0.6, 0.5, 0.0]]), torch.tensor([[0.95, 0.5, 0.1]])
    got = _loss(1, refined, truths, temperature=temperature, form="margin")
    assert got == pytest.approx(wanted / 2, abs=1e-6)


@pytest.mark.parametrize("ties", ["skip", "literal"])
def test_ties_of_the_margin(ties: Ties) -> None:
    """Read literally, the second of two equals is to be no worse; there is no margin between them."""
    for first, second, wanted in ((0.7, 0.3, 0.4), (0.3, 0.7, 0.0)):
        got = _loss(1, torch.tensor([[first, second]]), torch.tensor([[0.5, 0.5]]), ties=ties, form="margin")
        assert got == pytest.approx(wanted if ties == "literal" else 0, abs=1e-6)


def test_the_defaults_are_the_papers() -> None:
    assert PairwiseRankLoss() == PairwiseRankLoss(10, "all", "skip", 1.0, "logistic")
    recipe = RankerRecipe()
    assert PairwiseRankLoss() == PairwiseRankLoss(recipe.pairs, recipe.offsets, recipe.ties, recipe.temperature)


@FORMS
def test_padding_is_never_read(form: Form) -> None:
    refined = torch.cat([REFINED, torch.tensor([[7.0, -7.0]], dtype=torch.float64)], dim=1).requires_grad_()
    truths = torch.cat([TRUTHS, torch.tensor([[0.0, 0.5]], dtype=torch.float64)], dim=1)
    padded = PairwiseRankLoss(4, form=form)(refined, truths, torch.tensor([5]))
    assert padded.item() == _loss(4, form=form)
    padded.sum().backward()
    assert (refined.grad[0, 5:] == 0).all() and (refined.grad[0, :5] != 0).any()


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_fewer_boxes_than_pairs(rows: int) -> None:
    """A distance without a pair adds 0, and the divisor stays."""
    refined = REFINED.clone().requires_grad_()
    loss = PairwiseRankLoss(10)(refined, TRUTHS, torch.tensor([rows]))
    loss.sum().backward()
    assert torch.isfinite(refined.grad).all()
    if rows < 2:
        assert loss.item() == 0 and not refined.grad.any()
    if rows == 2:
        assert loss.item() == pytest.approx(TERMS[1][0] / 10, abs=1e-10)


def test_images_have_losses_of_their_own() -> None:
    three = PairwiseRankLoss(3)(REFINED.repeat(3, 1), TRUTHS.repeat(3, 1), torch.tensor([5, 3, 0]))
    assert three.tolist() == pytest.approx([_loss(3), _loss(3, REFINED[:, :3], TRUTHS[:, :3]), 0], abs=1e-12)


def test_the_example_of_the_docstring() -> None:
    got = _loss(1, torch.tensor([[0.9, 0.5, 0.3]]), torch.tensor([[0.2, 0.8, 0.0]]))
    assert got == pytest.approx((0.9130 + 0.5981) / 2, abs=1e-4)


def test_no_list_of_pairs_is_made() -> None:
    """The gradient needs a few tables per distance, whatever the number of pairs of boxes."""
    rows, kept = 2000, {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    refined, truths = torch.rand(2, rows, requires_grad=True), torch.rand(2, rows)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = PairwiseRankLoss(5)(refined, truths, torch.tensor([rows, rows]))
    assert sum(kept.values()) <= 5 * 4 * truths.nbytes
    loss.sum().backward()


def test_only_ties_are_nothing_to_learn() -> None:
    refined = REFINED.clone().requires_grad_()
    loss = PairwiseRankLoss(10)(refined, torch.zeros_like(TRUTHS), torch.tensor([5]))
    loss.sum().backward()
    assert loss.item() == 0 and not refined.grad.any()
