"""The training of a detector: forward pass, assignment, targets and loss of its paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.anchors import AnchorGrid
from pipeline.engine.registry import Registry
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.weights import load
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.assignment import FACE
from pipeline.training.assigners.faces import Predicted
from pipeline.training.assigners.max_iou import STANDARD
from pipeline.training.data.batch import Batch
from pipeline.training.loop.determinism import mixed
from pipeline.training.losses.detection import Objective, SigmoidObjective
from pipeline.training.losses.multibox import MultiboxLoss
from pipeline.training.losses.targets import Targets, encode_targets, matching_frame
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.task import Losses, Normalise, Task, map_tensors, no_reduction


@dataclass(frozen=True)
class DetectorTask(Task[Detector, Batch]):
    """The training of an entry of `DETECTORS`.

    Attributes:
        name, recipe, model_args, weights: see `Task`.
        assigner: used instead of the recipe's, for one with parameters that a recipe cannot name.
        auxiliary: assigner of the first-shot head's anchors, half as large on the same cells; standard matching, as
            released.
    """

    recipe: DetectorRecipe
    assigner: Assigner | None = None
    auxiliary: Assigner = STANDARD

    def build(self) -> Detector:
        """Returns the detector with its first weights, see `Task.build`."""
        detector = self._seeded(DETECTORS.find(self.name).build)
        if self.weights is not None:
            load(detector, self.weights)
        return detector

    def forward(
        self, model: Detector, batch: Batch, *, network: Callable[..., Raw] | None = None, bf16: bool = False
    ) -> Raw:
        """Returns the detector's outputs, see `Task.forward`; images go in channels-last."""
        weight = next(model.parameters())
        images = batch.images.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        with mixed(images, bf16, model.grid.strides[-1]):
            # `network or model` would ask a compiled network for its length, which it refuses.
            raw: Raw = (model if network is None else network)(images)
        if bf16:
            raw = map_tensors(raw, Tensor.float)
        return raw

    def loss(self, model: Detector, outputs: Raw, batch: Batch, normalise: Normalise = no_reduction) -> Losses:
        """Returns the losses of a batch, see `Task.loss` and `Objective`.

        The counts are of FACE anchors: "positives" all, "compensated" those that the assigner added beyond the
        ordinary matching, "positives_of_level" [L] those of each pyramid level, finest first.
        """
        objective = OBJECTIVES.find(model.spec.objective)(model, self.recipe)
        assigner = assigner_of(model, self.recipe) if self.assigner is None else self.assigner
        targets, ends = _targets(model, outputs, batch, model.grid, assigner, fit=objective.needs_fit)
        first = None
        if outputs.first_shot is not None:
            first, _ = _targets(model, outputs.first_shot, batch, half_size(model.grid), self.auxiliary)
        terms, total = objective(outputs, targets, first, normalise)
        assert targets.assignment is not None
        face = (targets.label == FACE).sum(dim=0)
        levels = torch.stack([face[start:end].sum() for start, end in zip((0, *ends), ends, strict=False)])
        compensated = targets.assignment.compensated.sum()
        counts = {"positives": face.sum(), "compensated": compensated, "positives_of_level": levels}
        return Losses(terms, total, counts)


def assigner_of(detector: Detector, recipe: DetectorRecipe) -> Assigner:
    """Returns the assigner that a recipe names; for "auto" the one of the detector's `spec`."""
    return ASSIGNERS.find(detector.spec.assigner if recipe.assigner == "auto" else recipe.assigner).build()


def _sigmoid(detector: Detector, recipe: DetectorRecipe) -> Objective:
    # The progressive classifier is trained on the anchors at which the network itself uses it.
    context = getattr(detector, "hierarchical", None)
    return SigmoidObjective(
        context_weight=recipe.context_weight,
        first_shot_weight=recipe.first_shot_weight,
        regression_aware=recipe.regression_aware,
        threshold=0.1 if context is None else context.threshold,
    )


OBJECTIVES: Registry[Callable[[Detector, DetectorRecipe], Objective]] = Registry(
    "objective", {"softmax": lambda detector, recipe: MultiboxLoss(), "sigmoid": _sigmoid}
)
"""Losses by the name that a detector's `spec` gives, with the weights that a recipe names."""


def half_size(grid: AnchorGrid) -> AnchorGrid:
    """Returns the same cells with anchors of half the side: the first-shot head's (MogFace, "pyramid anchor")."""
    return AnchorGrid(grid.strides, tuple(tuple(side / 2 for side in level) for level in grid.sizes))


@torch.no_grad()
def predicted_by(detector: Detector, raw: Raw, anchors: Anchors) -> Predicted:
    """Returns what the detector predicts before this step, without gradient, its boxes in the frame of the anchors."""
    scores = raw.logits.detach().float()
    # The logit of a softmax over two classes is their difference.
    logits = scores[..., 0] if scores.shape[-1] == 1 else scores[..., 1] - scores[..., 0]
    boxes = detector.decode(raw, anchors.centres)[0]
    return Predicted(logits, matching_frame(boxes, detector.coder))


def _targets(
    detector: Detector, raw: Raw, batch: Batch, grid: AnchorGrid, assigner: Assigner, *, fit: bool = False
) -> tuple[Targets, tuple[int, ...]]:
    """Returns the targets of a batch on its anchors, and where each level's anchors end."""
    height, width = batch.images.shape[2:]
    inclusive, device = detector.coder.pixel_inclusive, raw.boxes.device
    anchors = host = Anchors.of(grid, height, width, device, pixel_inclusive=inclusive)
    if device.type != "cpu":
        host = Anchors.of(grid, height, width, pixel_inclusive=inclusive)
    predicted = predicted_by(detector, raw, anchors) if assigner.needs_prediction or fit else None
    targets = encode_targets(anchors, batch.faces, assigner, detector.coder, predicted, fit=fit, host=host)
    return targets, anchors.level_ends
