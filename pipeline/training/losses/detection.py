"""The interface of detectors' losses, and the one of MogFace and HAMBox: weighted terms, divided by counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from pipeline.models.detectors.detector import Raw
from pipeline.training.assigners.assignment import FACE
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.context import discrepancy_label
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.hambox import HamBoxLoss
from pipeline.training.losses.targets import Targets
from pipeline.training.tasks.task import Normalise, no_reduction


class ObjectiveLosses(NamedTuple):
    """The losses of a batch.

    Attributes:
        terms: name -> scalar, normalised, not yet weighted.
        total: scalar, their weighted sum.
    """

    terms: Mapping[str, Tensor]
    total: Tensor


class Objective(Protocol):
    """Raw network outputs and targets to `ObjectiveLosses`.

    Every divisor goes through `normalise`. If that sums over processes, their results (and gradients) add up to those
    of one process with the whole batch.
    """

    @property
    def needs_fit(self) -> bool:
        """Whether the targets must hold `fit`."""
        ...

    def __call__(
        self, raw: Raw, targets: Targets, first_shot: Targets | None = None, normalise: Normalise = no_reduction
    ) -> ObjectiveLosses:
        """Returns the losses of a batch.

        Args:
            raw: of B images and A anchors.
            targets: of the same.
            first_shot: targets of the auxiliary head's anchors, if `raw` has that head.
            normalise: see `Normalise`; called once.
        """
        ...


@dataclass(frozen=True, slots=True)
class SigmoidObjective:
    """MogFace's and HAMBox's: focal and smooth L1 loss, 1 : 2, one logit per anchor.

    total = face + 2 box + gamma context + w (first_face + 2 first_box), with "context" for HCAM's progressive
    classifier (MogFace, equation 1) and "first_..." for the auxiliary head of half-size anchors, where the network has
    them. Each sum is divided by max(images, positives of its own labels).

    Attributes:
        face_weight: of "face", and of "first_face" before w.
        box_weight: of "box", and of "first_box" before w.
        context_weight: gamma; 1 in the paper.
        first_shot_weight: w. Not in the paper; the released configuration names an equal second criterion.
        regression_aware: face and box terms of HAMBox's section 3.3, see `HamBoxLoss`; CRFace leaves it out.
        threshold: score from which the progressive classifier learns an anchor.
        focal: every class term's loss.
        smooth_l1: every box term's loss.
    """

    face_weight: float = 1.0
    box_weight: float = 2.0
    context_weight: float = 1.0
    first_shot_weight: float = 1.0
    regression_aware: bool = False
    threshold: float = 0.1
    focal: FocalLoss = field(default_factory=FocalLoss)
    smooth_l1: SmoothL1Loss = field(default_factory=SmoothL1Loss)

    @property
    def needs_fit(self) -> bool:
        """Whether the targets must hold `fit`."""
        return self.regression_aware

    def __call__(
        self, raw: Raw, targets: Targets, first_shot: Targets | None = None, normalise: Normalise = no_reduction
    ) -> ObjectiveLosses:
        """Returns the terms that the network has heads for; see `Objective`.

        Raises:
            ValueError: the logits have more than one column, or needed targets are missing.
        """
        if raw.logits.shape != (*targets.label.shape, 1):
            expected = (*targets.label.shape, 1)
            raise ValueError(f"logits have shape {tuple(raw.logits.shape)}, the targets expect {expected}")
        if (raw.first_shot is None) != (first_shot is None):
            raise ValueError("the auxiliary first-shot head and targets for it come together or not at all")
        logits = raw.logits[..., 0]
        labels = {"main": targets.label}
        if raw.progressive is not None:
            labels["context"] = discrepancy_label(logits, targets.label, self.threshold)
        if first_shot is not None:
            labels["first"] = first_shot.label
        divisor, parts = _divisors(labels, targets, normalise)
        face, box = self._main(logits, raw.boxes, targets, divisor["main"], parts)
        terms, total = {"face": face, "box": box}, self.face_weight * face + self.box_weight * box
        if raw.progressive is not None:
            context = self.focal(raw.progressive[..., 0], labels["context"]).sum() / divisor["context"]
            terms, total = {**terms, "context": context}, total + self.context_weight * context
        if raw.first_shot is not None and first_shot is not None:
            face = self.focal(raw.first_shot.logits[..., 0], first_shot.label).sum() / divisor["first"]
            box = self._box(raw.first_shot.boxes, first_shot) / divisor["first"]
            terms = {**terms, "first_face": face, "first_box": box}
            total = total + self.first_shot_weight * (self.face_weight * face + self.box_weight * box)
        return ObjectiveLosses(terms, total)

    def _main(
        self, logits: Tensor, deltas: Tensor, targets: Targets, divisor: Tensor, parts: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        if not self.regression_aware:
            return self.focal(logits, targets.label).sum() / divisor, self._box(deltas, targets) / divisor
        if targets.assignment is None or targets.fit is None:
            raise ValueError("the regression-aware loss needs targets made with fit=True")
        loss = HamBoxLoss(self.focal, self.smooth_l1)
        return loss(logits, deltas, targets.boxes, targets.assignment, targets.fit, parts)

    def _box(self, deltas: Tensor, targets: Targets) -> Tensor:
        return self.smooth_l1(deltas, targets.boxes, targets.label == FACE).sum()


def _divisors(
    labels: Mapping[str, Tensor], targets: Targets, normalise: Normalise
) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Returns max(images, number of FACE) of each label, and the numbers of compensated and other FACE anchors."""
    faces = [(label == FACE).sum() for label in labels.values()]
    extra = torch.zeros_like(faces[0]) if targets.assignment is None else targets.assignment.compensated.sum()
    images = torch.full_like(extra, len(targets.label))
    # One vector: one reduction over the processes per step.
    total = normalise(torch.stack([images, extra, *faces]).float())
    divisors = {name: torch.maximum(total[0], count) for name, count in zip(labels, total[2:], strict=True)}
    return divisors, (total[1].clamp(min=1), (total[2] - total[1]).clamp(min=1))
