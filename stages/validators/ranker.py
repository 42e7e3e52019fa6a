"""Validator of a ranker's training: share of boxes in the right order on held-out images, before and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.images import decode
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.evaluation.ranking_accuracy import PairCounts, count_pairs
from pipeline.models.rankers.ranker import Ranker
from pipeline.training.losses.ranker import ranker_loss
from pipeline.training.recipes.ranker import RankerRecipe

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OrderingCounts:
    """Counts of pairs by the detectors' scores and by the refined ones; adding two is exact but for the losses.

    Attributes:
        before: counts of the detectors' order.
        after: of the refined order; none is right where the ranker's outputs are not finite.
        loss_before: sum of the recipe's loss over tables, each by itself, whatever `recipe.compare_within` is.
        loss_after: likewise, NaN where the ranker's outputs are not finite.
    """

    before: PairCounts
    after: PairCounts
    loss_before: float = 0.0
    loss_after: float = 0.0

    def __add__(self, other: OrderingCounts) -> OrderingCounts:
        return OrderingCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass(frozen=True)
class RankerValidator:
    """A `Validator`: every image with the boxes of every detector.

    The ranker gets them as in use, see `RankerRecipe.preprocessing`.

    Attributes:
        labelled: images and boxes.
        read: path -> compressed bytes.
        recipe: rows of the table, the loss, and up to how many ranks apart pairs count as near.
    """

    name: ClassVar[str] = "ranking"

    labelled: LabelledCandidateReader
    read: Callable[[str], bytes]
    recipe: RankerRecipe

    def __call__(self, ranker: Ranker, rank: int, processes: int) -> OrderingCounts:
        """Returns the counts of every n-th image, from the rank-th on; unreadable images are left out."""
        none = PairCounts.zero(self.recipe.pairs)
        total = OrderingCounts(none, none)
        for number in range(rank, len(self.labelled), processes):
            row = self.labelled[number]
            try:
                image = decode(self.read(row.path))
                if image.shape[:2] != (row.height, row.width):
                    continue  # another image than the boxes are of
            except (OSError, ValueError):
                continue
            pixels = self.recipe.preprocessing.pixels(image, ranker.normalisation.mean_bgr)
            for place in range(len(row.valid)):
                total += self._counts(ranker, pixels, row, place)
        return total

    def metrics(self, shares: Sequence[OrderingCounts]) -> dict[str, float]:
        """Returns shares of untied pairs in the right order, and mean losses, before and after.

        "before" and "after" are of all pairs of an image's boxes, "near_before" and "near_after" of those up to
        `recipe.pairs` ranks apart in the detector's order; "loss_before" and "loss_after" are per image and detector.
        """
        total = sum(shares[1:], start=shares[0])
        tables = max(total.before.images, 1)
        return {
            "before": total.before.every,
            "after": total.after.every,
            "near_before": total.before.near,
            "near_after": total.after.near,
            "loss_before": total.loss_before / tables,
            "loss_after": total.loss_after / tables,
        }

    def score(self, metrics: Mapping[str, float]) -> float:
        """Returns the share of all untied pairs that are in the right order after, 0 where there is none."""
        return 0.0 if math.isnan(metrics["after"]) else metrics["after"]

    @torch.inference_mode()
    def _counts(self, ranker: Ranker, pixels: NDArray[np.uint8], row: LabelledCandidates, place: int) -> OrderingCounts:
        boxes, scores, overlaps = row.of_detector(place)
        table, valid = self.recipe.preprocessing.table(boxes, scores, row.width, row.height, self.recipe.num_candidates)
        truth = self.recipe.truths(overlaps[:valid])
        before = count_pairs(truth, np.arange(valid), self.recipe.pairs)
        residual = _residual(ranker, pixels, table, valid)
        score = torch.from_numpy(table[:, 4])
        loss_before, loss_after = (self._loss(each, truth) for each in (score, score + residual))
        if not residual.isfinite().all():
            after = replace(before, right=np.zeros_like(before.right), all_right=0)
            return OrderingCounts(before, after, loss_before, math.nan)
        refined = (score + residual)[:valid].numpy()
        ranks = np.empty(valid, np.int64)
        # Equal scores stay in the order of their rows, as in the output of a ranker.
        ranks[np.argsort(-refined, kind="stable")] = np.arange(valid)
        return OrderingCounts(before, count_pairs(truth, ranks, self.recipe.pairs), loss_before, loss_after)

    def _loss(self, scores: Tensor, truth: Float32) -> float:
        """Returns the recipe's loss of one table, whose first rows have a truth."""
        truths = np.zeros((1, len(scores)), np.float32)
        truths[0, : len(truth)] = truth
        return ranker_loss(scores[None], torch.from_numpy(truths), torch.tensor([len(truth)]), self.recipe).item()


def _residual(ranker: Ranker, pixels: NDArray[np.uint8], table: Float32, valid: int) -> Tensor:
    """Returns float32 [N] on the CPU, the corrections of a table's rows."""
    device = next(ranker.parameters()).device
    moved = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
    images = ranker.normalisation(moved).permute(2, 0, 1)[None]
    residual: Tensor = ranker(images, torch.from_numpy(table)[None].to(device), torch.tensor([valid], device=device))
    return residual[0].float().cpu()
