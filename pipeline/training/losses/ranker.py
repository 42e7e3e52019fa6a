"""The loss of a ranker as its recipe names it: pairs, their margins, or regression of the scores."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.training.losses.focal import wide
from pipeline.training.losses.pairwise_rank import Form, PairwiseRankLoss
from pipeline.training.losses.score_regression import score_regression
from pipeline.training.recipes.ranker import RankerRecipe


def ranker_losses(refined: Tensor, truths: Tensor, valid: Tensor, recipe: RankerRecipe) -> Tensor:
    """Returns the loss of each image, float32 (float64 for float64 scores) [B], ready for the gradient.

    Padding has no effect, NaN neither: its gradient is zero. An image with nothing to learn (no box; only ties) has a
    loss of 0.

    Args:
        refined: float [B, N], detector's score plus residual, rows in the detector's order; clipped here where the
            recipe says so.
        truths: float [B, N] in 0..1, the overlap of each box with its closest face.
        valid: int64 [B], rows that are boxes.
        recipe: `loss` and, for pairs, `pairs`, `offsets`, `ties` and `temperature`; `clip_scores`.

    Raises:
        ValueError: the shapes do not agree.
    """
    if refined.ndim != 2 or truths.shape != refined.shape or valid.shape != refined.shape[:1]:
        found = f"{tuple(refined.shape)}, {tuple(truths.shape)} and {tuple(valid.shape)}"
        raise ValueError(f"refined, truths and valid have shapes {found}, expected (B, N), (B, N) and (B,)")
    real = torch.arange(refined.shape[1], device=refined.device) < valid[:, None]
    refined, truths = torch.where(real, wide(refined), 0.0), torch.where(real, truths, 0.0)
    if recipe.clip_scores:
        refined = refined.clamp(0, 1)
    if recipe.loss == "rank" or recipe.loss == "margin":
        form: Form = "logistic" if recipe.loss == "rank" else "margin"
        loss = PairwiseRankLoss(recipe.pairs, recipe.offsets, recipe.ties, recipe.temperature, form)
        return loss(refined, truths, valid)
    return score_regression(recipe.loss, refined, truths, valid)


def ranker_loss(refined: Tensor, truths: Tensor, valid: Tensor, recipe: RankerRecipe) -> Tensor:
    """Returns the mean of `ranker_losses` over the batch, a scalar; of several processes each needs the global mean."""
    return ranker_losses(refined, truths, valid, recipe).mean()
