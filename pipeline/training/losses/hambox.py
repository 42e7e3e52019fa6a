"""HAMBox's regression-aware focal loss (HAMBox section 3.3): compensated anchors are weighted by their fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.boxes.iou import iou_pairs
from pipeline.training.assigners.assignment import BACKGROUND, FACE, IGNORED, Assignment, candidate_indices
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.focal import FocalLoss


@torch.no_grad()
def fit_of_faces(boxes: Tensor, faces: FaceBatch, assignment: Assignment) -> Tensor:
    """Returns F, float32 [B, A]: the IoU of each FACE anchor's decoded box with its face, 0 elsewhere.

    Args:
        boxes: float [B, A, 4], decoded, xyxy in pixels.
        faces: of the same images.
        assignment: of the same images and anchors.
    """
    index = candidate_indices(assignment)
    image = torch.div(index, assignment.label.shape[1], rounding_mode="floor")
    iou = iou_pairs(boxes.view(-1, 4)[index].float(), faces.boxes[image, assignment.face.view(-1)[index]])
    fit = boxes.new_zeros(assignment.label.shape, dtype=torch.float32)
    fit.view(-1)[index] = torch.where(assignment.label.view(-1)[index] == FACE, iou, 0.0)
    return fit


@dataclass(frozen=True, slots=True)
class HamBoxLoss:
    """With psi the compensated anchors and Omega all others, the two sums of section 3.3.

    face = sum_psi F FL(p, 1) / N_com + sum_Omega (FL(p, l), background only where F < `ignore_iou`) / N_norm, and
    box = sum_psi SL1 / N_com + sum_(Omega, FACE) SL1 / N_norm.

    Example: a compensated anchor at logit 0 whose box has IoU 0.8 adds 0.8 * 0.0433 before the division.

    Attributes:
        focal: FL.
        smooth_l1: SL1.
        ignore_iou: F from which background is ignored.
    """

    focal: FocalLoss = field(default_factory=FocalLoss)
    smooth_l1: SmoothL1Loss = field(default_factory=SmoothL1Loss)
    ignore_iou: float = 0.5

    def __call__(
        self,
        logits: Tensor,
        deltas: Tensor,
        targets: Tensor,
        assignment: Assignment,
        fit: Tensor,
        normalisers: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Returns the terms face and box of a batch, each a scalar, not yet weighted.

        Args:
            logits: float [B, A].
            deltas: float [B, A, 4], predicted.
            targets: float [B, A, 4].
            assignment: psi is where it is compensated; what it ignores is in neither sum.
            fit: F, float [B, A]: see `fit_of_faces`. For background it is the highest IoU with any face; 0 is right
                where the assigner has ignored such anchors itself, as `HamBox` does.
            normalisers: N_com and N_norm, the numbers of compensated and of other FACE anchors, at least 1.
        """
        label, extra = assignment.label, assignment.compensated
        ordinary = (label == FACE) & ~extra
        label = torch.where((label == BACKGROUND) & (fit >= self.ignore_iou), IGNORED, label)
        each = self.focal(logits, label)
        added = torch.where(extra, fit.detach() * each, 0.0).sum() / normalisers[0]
        face = added + torch.where(extra, 0.0, each).sum() / normalisers[1]
        sums = [self.smooth_l1(deltas, targets, chosen).sum() for chosen in (extra, ordinary)]
        return face, sums[0] / normalisers[0] + sums[1] / normalisers[1]
