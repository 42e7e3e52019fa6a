"""The training of a ranker: forward pass, loss of the refined scores, first weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.init import without_weights
from pipeline.models.published_names import rename
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import built, load
from pipeline.training.data.batch import RankerBatch
from pipeline.training.loop.determinism import mixed
from pipeline.training.losses.pairs import compare, offsets_of
from pipeline.training.losses.ranker import ranker_losses
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.task import Losses, Normalise, Task, no_reduction

SCORE = 4  # column of a table
COARSEST = 32  # stride of a ranker's last map, whatever its backbone

_SHARED = ("pyramid.", "context.")  # taken over beside the backbone where the shapes agree


@dataclass(frozen=True)
class RankerTask(Task[Ranker, RankerBatch]):
    """The training of an entry of `RANKERS`; `weights` are a ranker's or a detector's, see `take_body`.

    `recipe.num_candidates` is the length of the network's tables, and not repeated in `model_args`.
    """

    recipe: RankerRecipe

    def __post_init__(self) -> None:
        """Raises ValueError where model args and recipe give different lengths of the table."""
        wanted = self.recipe.num_candidates
        if (given := self.model_args.get("num_candidates", wanted)) != wanted:
            raise ValueError(
                f"model_args.num_candidates is {given} and recipe.num_candidates {wanted}: leave out the former"
            )

    def build(self) -> Ranker:
        """Returns the ranker with its first weights, see `Task.build`."""
        ranker = self._seeded(RANKERS.find(self.name).build)
        if self.weights is not None:
            checkpoint = Checkpoint(self.weights)
            if checkpoint.kind == "ranker":
                checkpoint.ranker(self.name)
                load(ranker, checkpoint)
            else:
                take_body(ranker, checkpoint)
        ranker.checkpointed, ranker.preprocessing = self.recipe.checkpointed, self.recipe.preprocessing
        return ranker

    def forward(
        self, model: Ranker, batch: RankerBatch, *, network: Callable[..., Any] | None = None, bf16: bool = False
    ) -> Tensor:
        """Returns the residual [B, N], see `Task.forward`; images go in channels-last."""
        weight = next(model.parameters())
        images = batch.images.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        tables, valid = batch.tables.to(weight.device, weight.dtype), batch.valid.to(weight.device)
        with mixed(images, bf16, COARSEST):
            residual: Tensor = (model if network is None else network)(images, tables, valid)
        return residual.float() if bf16 else residual

    def loss(self, model: Ranker, outputs: Tensor, batch: RankerBatch, normalise: Normalise = no_reduction) -> Losses:
        """Returns the mean loss of the images of all processes, of which this is this process's share.

        The loss is taken of the sum of score and residual as it is: clipped to 0..1, as the paper has it, most of it
        would soon have no gradient. `recipe.clip_scores` is the paper's reading.

        The counts are of pairs at the recipe's distances whose truths differ, whatever the loss is: "pairs" all,
        "ordered" those that the refined scores have in the right order, "ordered_before" the detector's scores.

        Args:
            model: not used.
            outputs: residual [B, N].
            batch: that it belongs to.
            normalise: sums the number of images, or of shares, over processes; called once.
        """
        truths, valid = batch.truths.to(outputs), batch.valid.to(outputs.device)
        scores = batch.tables[..., SCORE].to(outputs)
        refined = scores + outputs
        if self.recipe.compare_within == "image":
            each = ranker_losses(refined, truths, valid, self.recipe)
        else:
            each = ranker_losses(*_as_one(scores, refined, truths, valid), self.recipe)
        # Without a transfer from the device: a count of images is known on the host.
        images = torch.full((1,), float(len(each)), device=each.device)
        total = each.sum() / normalise(images)[0]
        return Losses({self.recipe.loss: total}, total, _in_order(refined.detach(), truths, valid, self.recipe))

    @property
    def _arguments(self) -> dict[str, Any]:
        return {**self.model_args, "num_candidates": self.recipe.num_candidates}


def _as_one(scores: Tensor, refined: Tensor, truths: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns refined scores and truths [1, B * N] and their number [1], the rows of all images by falling score."""
    real = torch.arange(scores.shape[1], device=scores.device) < valid[:, None]
    order = torch.argsort(scores.masked_fill(~real, -torch.inf).flatten(), descending=True, stable=True)
    return refined.flatten()[order][None], truths.flatten()[order][None], valid.sum()[None]


def _in_order(refined: Tensor, truths: Tensor, valid: Tensor, recipe: RankerRecipe) -> dict[str, Tensor]:
    """Returns int64 scalars: pairs that are no ties, and how many of them refined and original scores order right."""
    sums = torch.zeros(3, dtype=torch.int64, device=refined.device)
    for offset in offsets_of(recipe.pairs, recipe.offsets):
        pair = compare(truths, valid, offset)
        # Equal scores stay in the order of their rows, as a stable sort leaves them.
        first_leads = refined[:, : refined.shape[1] - offset] >= refined[:, offset:]
        right = (first_leads == pair.first_is_better) & pair.counted
        before = pair.first_is_better & pair.counted
        sums += torch.stack([pair.counted.sum(), right.sum(), before.sum()])
    return dict(zip(("pairs", "ordered", "ordered_before"), sums.unbind(), strict=True))


def take_body(ranker: Ranker, checkpoint: Checkpoint) -> None:
    """Loads a detector's backbone into a ranker, and of pyramid and context the units of the same shape, in place.

    All other parts keep their weights. CRFace's pyramid reads the box branch too, so that of it only the units that
    merge levels agree.

    Args:
        ranker: with the detector's backbone.
        checkpoint: the detector's, published or of this project.

    Raises:
        ValueError: not a known detector's checkpoint, or its backbone or normalisation is another one.
    """
    name = checkpoint.detector()
    with without_weights():
        detector = built(DETECTORS.find(name).build, checkpoint.model_args, checkpoint)
    theirs = getattr(detector, "backbone", None)
    # The text has depth, widths and slopes: two published bodies have the same shapes and other activations.
    if repr(theirs) != repr(ranker.backbone):
        raise ValueError(f"the backbone of {name} is not that of {type(ranker).__name__}: it cannot start from it")
    if detector.normalisation != ranker.normalisation:
        raise ValueError(
            f"{name} was trained on pixels of {detector.normalisation}, this ranker is built for {ranker.normalisation}"
        )
    names = detector.spec.published_names
    tensors = {rename(key, names): value for key, value in checkpoint.tensors.items()}
    own = {key: value for key, value in ranker.state_dict().items() if key.startswith(("backbone.", *_SHARED))}
    lacking = [key for key in own if key.startswith("backbone.") and key not in tensors]
    if lacking:
        raise ValueError(f"the checkpoint of {name} lacks {len(lacking)} tensors of its backbone, such as {lacking[0]}")
    common = [key for key in own if key in tensors]
    # A norm is of use only with the convolution whose outputs it has seen: "pyramid.laterals.0.conv.weight".
    differing = {_unit(key) for key in common if own[key].shape != tensors[key].shape}
    ranker.load_state_dict({key: tensors[key] for key in common if _unit(key) not in differing}, strict=False)


def _unit(key: str) -> str:
    return key.rsplit(".", 2)[0]
