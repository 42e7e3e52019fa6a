"""A batch to a loss, for every ranker: forward, refined scores, and how well they order the boxes of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.models.rankers.ranker import Ranker
from pipeline.training.data.ranker_collate import RankerBatch
from pipeline.training.loop.determinism import mixed
from pipeline.training.losses.pairs import compare, offsets_of
from pipeline.training.losses.ranker import ranker_losses
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.task import Normalise, no_reduction

SCORE = 4  # column of a table
COARSEST = 32  # stride of a ranker's last map, whatever its backbone


@dataclass(frozen=True, slots=True)
class RankLosses:
    """The loss of a batch, and how its boxes stand.

    Attributes:
        terms: the recipe's loss under its name, a scalar; nothing is added to it.
        total: the same.
        pairs: int64 scalar, pairs at the recipe's distances whose truths differ, whatever the loss is.
        ordered: int64 scalar, those that the refined scores have in the right order.
        ordered_before: int64 scalar, those that the detector's scores have.
    """

    terms: Mapping[str, Tensor]
    total: Tensor
    pairs: Tensor
    ordered: Tensor
    ordered_before: Tensor

    @property
    def counts(self) -> dict[str, Tensor]:
        """The numbers of pairs by the names that a log has for them."""
        return {"pairs": self.pairs, "ordered": self.ordered, "ordered_before": self.ordered_before}


@dataclass(frozen=True, slots=True)
class RankerTask:
    """What one ranker is trained for: a `Task`.

    Attributes:
        ranker: its weights.
        recipe: names the loss and its pairs.
        network: what a batch is sent through, if not the ranker itself: the same one compiled or wrapped for several
            processes.
    """

    ranker: Ranker
    recipe: RankerRecipe
    network: Callable[..., Tensor] | None = None

    @property
    def model(self) -> Ranker:
        """The ranker."""
        return self.ranker

    def __call__(self, batch: RankerBatch, normalise: Normalise = no_reduction) -> RankLosses:
        """Returns the loss of a batch, ready for the gradient.

        Args:
            batch: B images of one size; moved to the ranker's device.
            normalise: sums counts over processes, see `weigh`.
        """
        return self.weigh(self.answer(batch), batch, normalise)

    def answer(self, batch: RankerBatch, *, bf16: bool = False) -> Tensor:
        """Returns the residual [B, N], float32 at least.

        Args:
            batch: moved to the ranker's device and type, images channels-last.
            bf16: bfloat16 for what bears it, see `mixed`; weights, norms' statistics and the residual stay float32.
        """
        weight = next(self.ranker.parameters())
        images = batch.images.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        tables, valid = batch.tables.to(weight.device, weight.dtype), batch.valid.to(weight.device)
        with mixed(images, bf16, COARSEST):
            network = self.ranker if self.network is None else self.network
            residual: Tensor = network(images, tables, valid)
        return residual.float() if bf16 else residual

    def weigh(self, answer: Tensor, batch: RankerBatch, normalise: Normalise = no_reduction) -> RankLosses:
        """Returns the mean loss of the images of all processes, of which this is this process's share.

        The loss is taken of the sum of score and residual as it is: clipped to 0..1, as the paper has it, most of it
        would soon have no gradient. `recipe.clipped` is the paper's reading.

        Args:
            answer: residual [B, N].
            batch: that it belongs to.
            normalise: sums the number of images, or of shares, over processes; called once.
        """
        truths, valid = batch.truths.to(answer), batch.valid.to(answer.device)
        scores = batch.tables[..., SCORE].to(answer)
        refined = scores + answer
        if self.recipe.compare_within == "image":
            each = ranker_losses(refined, truths, valid, self.recipe)
        else:
            each = ranker_losses(*_as_one(scores, refined, truths, valid), self.recipe)
        # Without a transfer from the device: a count of images is known on the host.
        images = torch.full((1,), float(len(each)), device=each.device)
        total = each.sum() / normalise(images)[0]
        pairs, ordered, before = _in_order(refined.detach(), truths, valid, self.recipe)
        return RankLosses({self.recipe.loss: total}, total, pairs, ordered, before)


def _as_one(scores: Tensor, refined: Tensor, truths: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns refined scores and truths [1, B * N] and their number [1], the rows of all images by falling score."""
    real = torch.arange(scores.shape[1], device=scores.device) < valid[:, None]
    order = torch.argsort(scores.masked_fill(~real, -torch.inf).flatten(), descending=True, stable=True)
    return refined.flatten()[order][None], truths.flatten()[order][None], valid.sum()[None]


def _in_order(refined: Tensor, truths: Tensor, valid: Tensor, recipe: RankerRecipe) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the pairs that are no ties, and how many of them refined scores and rows have in the right order."""
    sums = torch.zeros(3, dtype=torch.int64, device=refined.device)
    for offset in offsets_of(recipe.pairs, recipe.offsets):
        pair = compare(truths, valid, offset)
        # Equal scores stay in the order of their rows, as a stable sort leaves them.
        first_leads = refined[:, : refined.shape[1] - offset] >= refined[:, offset:]
        right = (first_leads == pair.first_is_better) & pair.counted
        before = pair.first_is_better & pair.counted
        sums += torch.stack([pair.counted.sum(), right.sum(), before.sum()])
    pairs, ordered, before_all = sums.unbind()
    return pairs, ordered, before_all
