"""What every anchor of a batch is to answer: boxes, landmarks and labels encoded as the detector's coder does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.coder import BoxCoder
from pipeline.training.assigners import Assigner
from pipeline.training.assigners.anchor_set import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment
from pipeline.training.assigners.face_batch import FaceBatch, Predicted, required
from pipeline.training.example import Faces
from pipeline.training.losses.hambox import fit_of_faces


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of B images with A anchors each.

    Attributes:
        boxes: float32 [B, A, 4], deltas where `label` is 1, else 0.
        landmarks: float32 [B, A, 10], deltas where `marked`, else 0.
        label: int64 [B, A], 1 face, 0 background, -1 ignored by the class loss.
        marked: bool [B, A], whether `label` is 1 and the matched face has landmarks.
        assignment: what they were made from; None where they were not made by `encode_targets`.
        fit: float32 [B, A], the IoU of each FACE anchor's decoded box with its face, else 0; None where not asked for.
    """

    boxes: Tensor
    landmarks: Tensor
    label: Tensor
    marked: Tensor
    assignment: Assignment | None = None
    fit: Tensor | None = None


def matching_frame(boxes: Tensor, coder: BoxCoder) -> Tensor:
    """Returns boxes in the corner convention in which the coder's network had its anchors matched.

    MogFace matches inclusive corners, x2 = x1 + width - 1, by their plain differences: a face of
    16 pixels has an area of 15 x 15 there, and so have the anchors of `Anchors.of(..., inclusive=True)`.

    Args:
        boxes: float [..., 4] xyxy in pixels, continuous: x2 = x1 + width.
        coder: the detector's.
    """
    return boxes - boxes.new_tensor([0.0, 0.0, 1.0, 1.0]) if coder.inclusive else boxes


@torch.no_grad()
def encode_targets(
    anchors: Anchors,
    faces: Sequence[Faces],
    assigner: Assigner,
    coder: BoxCoder,
    predicted: Predicted | None = None,
    *,
    fit: bool = False,
) -> Targets:
    """Returns the targets of a batch.

    Args:
        anchors: A of them, in the frame of the faces (pixels); inclusive where the coder is.
        faces: of each image, with continuous boxes; moved to the anchors' device.
        assigner: which anchor learns which face.
        coder: turns boxes and points into deltas.
        predicted: what the detector says about the batch, for assigners that need it, its boxes in `matching_frame`.
        fit: work out `Targets.fit` from `predicted`.

    Raises:
        ValueError: where the assigner or `fit` needs `predicted` and it is None.
    """
    device = anchors.centres.device
    batch = FaceBatch.of([matching_frame(each.boxes, coder) for each in faces], device)
    assignment = assigner(anchors, batch, predicted)
    # Only what is learned is encoded: a face that no anchor may learn can encode to NaN, which poisons the gradient
    # even if masked.
    image, anchor = torch.nonzero(assignment.label == FACE, as_tuple=True)
    row = batch.row_of()[image, assignment.face[image, anchor]]
    outlines, points, marks = (
        torch.cat([part.cpu() for part in parts]).to(device)
        for parts in (
            [each.boxes for each in faces],
            [each.landmarks for each in faces],
            [each.marked for each in faces],
        )
    )
    centres = anchors.centres[anchor]
    marked = torch.zeros_like(assignment.compensated)
    marked[image, anchor] = marks[row]
    boxes = torch.zeros(*marked.shape, 4, device=device)
    boxes[image, anchor] = coder.encode(outlines[row], centres)
    landmarks = torch.zeros(*marked.shape, 10, device=device)
    learned = coder.encode_landmarks(points[row], centres)
    landmarks[image, anchor] = torch.where(marks[row][:, None], learned, 0.0)
    fits = fit_of_faces(required(predicted, "fit").boxes, batch, assignment) if fit else None
    return Targets(boxes, landmarks, assignment.label, marked, assignment, fits)
