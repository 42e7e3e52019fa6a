"""Pairwise ranking loss: the better of two boxes of an image should have the higher score (CRFace, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.training.losses.pairs import Offsets, Ties, compare, offsets_of

Form = Literal["logistic", "margin"]


@dataclass(frozen=True, slots=True)
class PairwiseRankLoss:
    """Mean over the pairs of each distance, then over the distances: sum over k of mean_i L(i, i + k), divided by n.

    With z = refined score of the better box minus that of the worse one:

    * "logistic": log(1 + exp(-z)), RankNet. Equation 2 of the paper has prediction and label exchanged; its text, a
      sigmoid cross entropy of the difference c'_1 - c'_2, needs the target 1 - Y of equation 1, where Y = 0 means
      that box 1 is better. The target Y would train the reverse order.
    * "margin": max(0, D - z) with D the difference of the truths: the paper's margin rescaling.

    Example: scores .9, .5, .3 with truths .2, .8, 0, n = 1: z is -0.4 and 0.2, the loss (0.9130 + 0.5981) / 2.

    Attributes:
        pairs: n.
        offsets: see `offsets_of`.
        ties: see `compare`.
        temperature: factor on z.
        form: L.
    """

    pairs: int = 10
    offsets: Offsets = "all"
    ties: Ties = "skip"
    temperature: float = 1.0
    form: Form = "logistic"

    def __call__(self, refined: Tensor, truths: Tensor, valid: Tensor) -> Tensor:
        """Returns the loss of each image, [B]; a distance without any pair adds 0, an image of one box has 0.

        Memory is that of n tables: differences are of shifted views, without a list of pairs.

        Args:
            refined: float [B, N], score plus residual, not clipped, which would end the gradient where most scores
                are; rows in the detector's order.
            truths: float [B, N].
            valid: int64 [B], rows that are boxes.
        """
        distances = offsets_of(self.pairs, self.offsets)
        total = refined.new_zeros(len(refined))
        for k in distances:
            pairs = compare(truths, valid, k, self.ties)
            lead = self.temperature * (refined[:, :-k] - refined[:, k:])
            lead = torch.where(pairs.first_is_better, lead, -lead)
            each = torch.where(pairs.counted, self._each(lead, pairs.margin), 0.0)
            total = total + each.sum(dim=1) / pairs.counted.sum(dim=1).clamp(min=1)
        return total / len(distances)

    def _each(self, lead: Tensor, margin: Tensor) -> Tensor:
        if self.form == "logistic":
            return -functional.logsigmoid(lead)
        return (margin.to(lead) - lead).clamp(min=0)
