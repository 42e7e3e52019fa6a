"""RetinaFace's multibox loss: class, box and landmark terms with mined negatives (RetinaFace, equation 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.models.detectors.detector import Raw
from pipeline.training.assigners.assignment import BACKGROUND, FACE
from pipeline.training.losses.detection import ObjectiveLosses
from pipeline.training.losses.targets import Targets
from pipeline.training.tasks.task import Normalise, no_reduction


@dataclass(frozen=True, slots=True)
class MultiboxLoss:
    """The loss of the published training, an `Objective` with the terms "box", "face" and "landmarks".

    Attributes:
        negatives: mined negatives per positive anchor of an image.
        box_weight, face_weight, landmark_weight: of the terms in the total.
    """

    negatives: int = 7
    box_weight: float = 2.0
    face_weight: float = 1.0
    landmark_weight: float = 1.0
    needs_fit: ClassVar[bool] = False

    def __call__(
        self, raw: Raw, targets: Targets, first_shot: Targets | None = None, normalise: Normalise = no_reduction
    ) -> ObjectiveLosses:
        """Returns the losses of one batch.

        Box and class sums are divided by the number of positive anchors of the batch, the landmark sum by the number
        of those whose face has landmarks (each at least 1). An image without positives adds 0.

        Args:
            raw: deltas [B, A, 4], logits [B, A, 2] (column 1 is face), landmarks [B, A, 10] or None.
            targets: of the same B images and A anchors.
            first_shot: not used.
            normalise: see `Objective`.

        Raises:
            ValueError: the logits do not have two columns, or the shapes of targets and outputs differ.
        """
        if raw.logits.shape != (*targets.label.shape, 2):
            expected = (*targets.label.shape, 2)
            raise ValueError(f"logits have shape {tuple(raw.logits.shape)}, the targets expect {expected}")
        positive = targets.label == FACE
        counts = torch.stack([positive.sum(), targets.marked.sum()]).float()
        anchors, marked = counts.clamp(min=1).unbind()
        # Own positives / those of all processes; exactly 1 in one process.
        share, marked_share = (counts.clamp(min=1) / normalise(counts).clamp(min=1)).unbind()
        box = _smooth_l1(raw.boxes, targets.boxes, positive) / anchors * share
        face = self._class_loss(raw.logits, targets.label) / anchors * share
        landmarks = torch.zeros_like(box)
        if raw.landmarks is not None:
            landmarks = _smooth_l1(raw.landmarks, targets.landmarks, targets.marked) / marked * marked_share
        total = self.box_weight * box + self.face_weight * face + self.landmark_weight * landmarks
        return ObjectiveLosses({"box": box, "face": face, "landmarks": landmarks}, total)

    def _class_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Returns the cross-entropy summed over positives and the hardest negatives of each image."""
        positive, background = label == FACE, label == BACKGROUND
        entropy_BA = functional.cross_entropy(logits.permute(0, 2, 1), positive.long(), reduction="none")
        # Anchors that are not background rank last, among those of zero loss, which change no sum.
        hardness = entropy_BA.detach().masked_fill(~background, 0.0)
        rank = hardness.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        wanted = (self.negatives * positive.sum(dim=1, keepdim=True)).clamp(max=label.shape[1] - 1)
        kept = positive | (background & (rank < wanted))
        return torch.where(kept, entropy_BA, 0.0).sum()


def _smooth_l1(predicted: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Returns the smooth L1 (beta 1) of [B, A, K] tensors summed over the anchors in `mask` [B, A]."""
    each = functional.smooth_l1_loss(predicted, wanted, reduction="none").sum(dim=2)
    return torch.where(mask, each, 0.0).sum()
