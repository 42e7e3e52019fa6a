"""A batch to a loss, for every detector: forward, assignment by what it answered, targets, objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.anchors import AnchorGrid
from pipeline.engine.registry import Registry
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.training.assigners import ASSIGNERS, Assigner
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE
from pipeline.training.assigners.faces import Predicted
from pipeline.training.data.batch import Batch, Faces
from pipeline.training.loop.determinism import mixed
from pipeline.training.losses.detection import Objective, SigmoidObjective, SoftmaxObjective
from pipeline.training.losses.targets import Targets, encode_targets, matching_frame
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.task import Normalise, no_reduction


@dataclass(frozen=True, slots=True)
class BatchLosses:
    """The losses of a batch, and what they were made of.

    Attributes:
        terms: name -> scalar, not yet weighted, see `Objective`.
        total: scalar, their weighted sum.
        positives: int64 scalar, FACE anchors of the batch.
        compensated: int64 scalar, those that the assigner added beyond the ordinary matching.
        per_level: int64 [L], FACE anchors of each pyramid level, finest first.
    """

    terms: Mapping[str, Tensor]
    total: Tensor
    positives: Tensor
    compensated: Tensor
    per_level: Tensor

    @property
    def counts(self) -> dict[str, Tensor]:
        """The numbers of FACE anchors by the names that a log has for them."""
        return {
            "positives": self.positives,
            "compensated": self.compensated,
            "positives_of_level": self.per_level,
        }

    def numbers(self) -> dict[str, float]:
        """Returns the terms and "total" as plain numbers, in one transfer from the device."""
        values = torch.stack([*self.terms.values(), self.total]).tolist()
        return dict(zip([*self.terms, "total"], values, strict=True))


@dataclass(frozen=True, slots=True)
class DetectorTask:
    """What one detector is trained for: a `Task`.

    Attributes:
        detector: its anchors, coder and weights.
        assigner: which anchor learns which face; may look at what the detector answered, without gradient.
        objective: what is minimised.
        auxiliary: the assigner of the first-shot head's anchors, half as large on the same cells; standard matching,
            as released.
        network: what images are sent through, if not the detector itself: the same one compiled or wrapped for
            several processes.
    """

    detector: Detector
    assigner: Assigner
    objective: Objective
    auxiliary: Assigner = ASSIGNERS["mogface"]
    network: Callable[[Tensor], Raw] | None = None

    def __call__(self, batch: Batch, normalise: Normalise = no_reduction) -> BatchLosses:
        """Returns the losses of a batch, ready for the gradient.

        Args:
            batch: B images of one size; moved to the detector's device.
            normalise: sums counts over processes, see `Objective`.
        """
        return self.weigh(self.answer(batch), batch, normalise)

    @property
    def model(self) -> Detector:
        """The detector."""
        return self.detector

    def answer(self, batch: Batch, *, bf16: bool = False) -> Raw:
        """Returns the detector's answer to a batch, see `forward`."""
        return self.forward(batch.images, bf16=bf16)

    def weigh(self, answer: Raw, batch: Batch, normalise: Normalise = no_reduction) -> BatchLosses:
        """Returns the losses of the answer to a batch, see `losses`."""
        return self.losses(answer, batch.faces, batch.images.shape[2:], normalise)

    def forward(self, images: Tensor, *, bf16: bool = False) -> Raw:
        """Returns the detector's answer, float32 at least.

        Args:
            images: float32 [B, 3, H, W], moved to the detector's device and type, channels-last.
            bf16: bfloat16 for what bears it, see `mixed`; weights, norms' statistics and the losses stay float32.
        """
        weight = next(self.detector.parameters())
        images = images.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        with mixed(images, bf16, self.detector.grid.strides[-1]):
            # A compiled network refuses to be asked whether it is there: that would ask for its length.
            raw = (self.detector if self.network is None else self.network)(images)
        return _wide(raw) if bf16 else raw

    def losses(
        self, raw: Raw, faces: Sequence[Faces], size: Sequence[int], normalise: Normalise = no_reduction
    ) -> BatchLosses:
        """Returns the losses of an answer.

        Args:
            raw: of B images.
            faces: of each image, boxes continuous (x2 = x1 + width) in pixels.
            size: H and W of the images.
            normalise: see `Objective`.
        """
        anchors, host = self._anchors(self.detector.grid, size, raw.boxes.device)
        needed = self.assigner.needs_prediction or self.objective.needs_fit
        predicted = predicted_by(self.detector, raw, anchors) if needed else None
        targets = encode_targets(
            anchors, faces, self.assigner, self.detector.coder, predicted, fit=self.objective.needs_fit, host=host
        )
        first = None if raw.first_shot is None else self._first_shot(raw.first_shot, faces, size)
        terms, total = self.objective(raw, targets, first, normalise)
        assert targets.assignment is not None
        face = (targets.label == FACE).sum(dim=0)
        ends = anchors.level_ends
        levels = torch.stack([face[start:end].sum() for start, end in zip((0, *ends), ends, strict=False)])
        return BatchLosses(terms, total, face.sum(), targets.assignment.compensated.sum(), levels)

    def _first_shot(self, raw: Raw, faces: Sequence[Faces], size: Sequence[int]) -> Targets:
        anchors, host = self._anchors(half_size(self.detector.grid), size, raw.boxes.device)
        predicted = predicted_by(self.detector, raw, anchors) if self.auxiliary.needs_prediction else None
        return encode_targets(anchors, faces, self.auxiliary, self.detector.coder, predicted, host=host)

    def _anchors(self, grid: AnchorGrid, size: Sequence[int], device: torch.device) -> tuple[Anchors, Anchors]:
        """Returns the anchors on the device and on the host."""
        inclusive = self.detector.coder.pixel_inclusive
        there = Anchors.of(grid, size[0], size[1], device, pixel_inclusive=inclusive)
        if device.type == "cpu":
            return there, there
        return there, Anchors.of(grid, size[0], size[1], pixel_inclusive=inclusive)


def task_of(detector: Detector, recipe: DetectorRecipe, network: Callable[[Tensor], Raw] | None = None) -> DetectorTask:
    """Returns the task of any entry of `DETECTORS` as its paper trains it.

    A recipe whose assigner is "auto" takes the one of the detector's `spec`, as its loss.

    Args:
        detector: any.
        recipe: names the assigner and the weights of the losses.
        network: see `DetectorTask`.
    """
    spec = detector.spec
    assigner = ASSIGNERS.find(spec.assigner if recipe.assigner == "auto" else recipe.assigner)
    return DetectorTask(detector, assigner, OBJECTIVES.find(spec.objective)(detector, recipe), network=network)


def half_size(grid: AnchorGrid) -> AnchorGrid:
    """Returns the same cells with anchors of half the side: the first-shot head's (MogFace, "pyramid anchor")."""
    return AnchorGrid(grid.strides, tuple(tuple(side / 2 for side in level) for level in grid.sizes))


@torch.no_grad()
def predicted_by(detector: Detector, raw: Raw, anchors: Anchors) -> Predicted:
    """Returns what the detector says before this step, without gradient, its boxes in the frame of the anchors."""
    scores = raw.logits.detach().float()
    # The logit of a softmax over two classes is their difference.
    logits = scores[..., 0] if scores.shape[-1] == 1 else scores[..., 1] - scores[..., 0]
    boxes = detector.decode(raw, anchors.centres)[0]
    return Predicted(logits, matching_frame(boxes, detector.coder))


def _softmax(detector: Detector, recipe: DetectorRecipe) -> Objective:
    return SoftmaxObjective()


def _sigmoid(detector: Detector, recipe: DetectorRecipe) -> Objective:
    # The progressive classifier learns where the network itself takes a second look.
    context = getattr(detector, "hierarchical", None)
    return SigmoidObjective(
        context_weight=recipe.context_weight,
        first_shot_weight=recipe.first_shot_weight,
        regression_aware=recipe.regression_aware,
        threshold=0.1 if context is None else context.threshold,
    )


OBJECTIVES: Registry[Callable[[Detector, DetectorRecipe], Objective]] = Registry(
    "objective", {"softmax": _softmax, "sigmoid": _sigmoid}
)
"""Losses by the name that a detector's `spec` gives."""


def _wide(raw: Raw) -> Raw:
    """Returns an answer in bfloat16 as float32."""
    return Raw(
        raw.boxes.float(),
        raw.logits.float(),
        None if raw.landmarks is None else raw.landmarks.float(),
        None if raw.progressive is None else raw.progressive.float(),
        None if raw.first_shot is None else _wide(raw.first_shot),
    )
