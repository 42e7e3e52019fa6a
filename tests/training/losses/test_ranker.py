"""One switch for all losses of a ranker."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

from pipeline.training.losses.pairwise_rank import PairwiseRankLoss
from pipeline.training.losses.ranker import ranker_loss, ranker_losses
from pipeline.training.losses.score_regression import score_regression
from pipeline.training.recipes.ranker import RankerRecipe, RankLoss

GENERATOR = torch.Generator().manual_seed(0)
REFINED = torch.rand(3, 20, generator=GENERATOR)
TRUTHS = torch.rand(3, 20, generator=GENERATOR) * (torch.rand(3, 20, generator=GENERATOR) < 0.4)
VALID = torch.tensor([20, 9, 0])
RECIPE = RankerRecipe(pairs=4, offsets="ends", ties="literal", temperature=3.0)


@pytest.mark.parametrize("loss", get_args(RankLoss))
def test_the_recipe_names_the_loss(loss: RankLoss) -> None:
    pairwise = {"rank": "logistic", "margin": "margin"}
    if loss in pairwise:
        wanted = PairwiseRankLoss(4, "ends", "literal", 3.0, pairwise[loss])(REFINED, TRUTHS, VALID)  # type: ignore[arg-type]
    else:
        wanted = score_regression(loss, REFINED, TRUTHS, VALID)  # type: ignore[arg-type]
    recipe = replace(RECIPE, loss=loss)
    assert torch.equal(ranker_losses(REFINED, TRUTHS, VALID, recipe), wanted)
    assert ranker_loss(REFINED, TRUTHS, VALID, recipe).item() == pytest.approx(wanted.sum().item() / 3, rel=1e-6)


def test_losses_differ() -> None:
    values = {ranker_loss(REFINED, TRUTHS, VALID, replace(RECIPE, loss=loss)).item() for loss in get_args(RankLoss)}
    assert len(values) == len(get_args(RankLoss))


@pytest.mark.parametrize("loss", get_args(RankLoss))
def test_padding_that_is_no_number_has_no_part(loss: RankLoss) -> None:
    broken = REFINED.clone()
    broken[1, 9:], broken[2] = float("nan"), float("inf")
    broken.requires_grad_()
    value = ranker_loss(broken, TRUTHS, VALID, replace(RECIPE, loss=loss))
    assert value.item() == ranker_loss(REFINED, TRUTHS, VALID, replace(RECIPE, loss=loss)).item()
    value.backward()
    assert torch.isfinite(broken.grad).all() and not broken.grad[1, 9:].any() and broken.grad[0].any()


@pytest.mark.parametrize("loss", get_args(RankLoss))
def test_half_precision_is_computed_in_float32(loss: RankLoss) -> None:
    value = ranker_losses(REFINED.bfloat16(), TRUTHS, VALID, replace(RECIPE, loss=loss))
    assert value.dtype == torch.float32
    assert torch.equal(value, ranker_losses(REFINED.bfloat16().float(), TRUTHS, VALID, replace(RECIPE, loss=loss)))
    assert ranker_losses(REFINED.double(), TRUTHS, VALID, replace(RECIPE, loss=loss)).dtype == torch.float64


def test_a_batch_in_two_halves_adds_up() -> None:
    whole = ranker_losses(REFINED, TRUTHS, VALID, RECIPE)
    parts = [ranker_losses(REFINED[rows], TRUTHS[rows], VALID[rows], RECIPE) for rows in (slice(0, 2), slice(2, 3))]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("loss", get_args(RankLoss))
def test_the_printed_reading_clips_what_the_loss_sees(loss: RankLoss) -> None:
    """Off, scores count as they are; on, those outside count as 0 and 1 and have no gradient, the others keep theirs."""
    plain, printed = (replace(RECIPE, ties="skip", loss=loss, clip_scores=clipped) for clipped in (False, True))
    refined = torch.tensor([[1.4, 0.8, 0.6, 0.3, -0.7, -0.2]], requires_grad=True)
    truths, valid = torch.tensor([[0.2, 0.9, 0.1, 0.7, 0.6, 0.3]]), torch.tensor([6])
    value = ranker_losses(refined, truths, valid, printed)
    assert torch.equal(value, ranker_losses(refined.clamp(0, 1), truths, valid, plain))
    assert not torch.equal(value, ranker_losses(refined, truths, valid, plain))
    (gradient,) = torch.autograd.grad(value.sum(), refined)
    assert (gradient != 0).tolist() == [[False, True, True, True, False, False]]
    (gradient,) = torch.autograd.grad(ranker_losses(refined, truths, valid, plain).sum(), refined)
    assert (gradient != 0).all()


def test_inside_the_range_both_readings_are_one() -> None:
    for loss in get_args(RankLoss):
        plain, printed = (replace(RECIPE, loss=loss, clip_scores=clipped) for clipped in (False, True))
        values = [ranker_losses(REFINED, TRUTHS, VALID, recipe) for recipe in (plain, printed)]
        assert torch.equal(*values)


def test_shapes_that_do_not_go_together_are_refused() -> None:
    for bad in ((REFINED[0], TRUTHS, VALID), (REFINED, TRUTHS[:, :3], VALID), (REFINED, TRUTHS, VALID[:2])):
        with pytest.raises(ValueError, match=r"expected \(B, N\), \(B, N\) and \(B,\)"):
            ranker_losses(*bad, RECIPE)
