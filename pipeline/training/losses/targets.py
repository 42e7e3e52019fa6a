"""Training targets of every anchor of a batch: boxes and landmarks encoded by the detector's coder, and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.coder import BoxCoder
from pipeline.models.transfer import to_device
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.assignment import FACE, Assignment, candidate_indices
from pipeline.training.assigners.faces import FaceBatch, Predicted, require_predicted
from pipeline.training.data.batch import Faces
from pipeline.training.losses.hambox import fit_of_faces


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of B images with A anchors each.

    Attributes:
        boxes: float32 [B, A, 4], deltas where `label` is 1, else 0.
        landmarks: float32 [B, A, 10], deltas where `marked`, else 0.
        label: int64 [B, A], 1 face, 0 background, -1 ignored by the class loss.
        marked: bool [B, A], whether `label` is 1 and the matched face has landmarks.
        assignment: they were made from; None if not made by `encode_targets`.
        fit: float32 [B, A], the IoU of each FACE anchor's decoded box with its face, else 0; or None.
    """

    boxes: Tensor
    landmarks: Tensor
    label: Tensor
    marked: Tensor
    assignment: Assignment | None = None
    fit: Tensor | None = None


def matching_frame(boxes: Tensor, coder: BoxCoder) -> Tensor:
    """Returns boxes in the corner convention of matching.

    MogFace matches inclusive corners, x2 = x1 + width - 1, by their plain differences: a face of 16 pixels has an area
    of 15 x 15 there, and so have the anchors of `Anchors.of(..., pixel_inclusive=True)`.

    Args:
        boxes: float [..., 4] xyxy in pixels, continuous: x2 = x1 + width.
        coder: the detector's.
    """
    return torch.cat([boxes[..., :2], boxes[..., 2:] - 1], dim=-1) if coder.pixel_inclusive else boxes


@torch.no_grad()
def encode_targets(
    anchors: Anchors,
    faces: Sequence[Faces],
    assigner: Assigner,
    coder: BoxCoder,
    predicted: Predicted | None = None,
    *,
    fit: bool = False,
    host: Anchors | None = None,
) -> Targets:
    """Returns the targets of a batch.

    Args:
        anchors: A of them, in the frame of the faces (pixels); inclusive where the coder is.
        faces: of each image, with continuous boxes; best on the host, where they are matched while the device computes.
        assigner: which anchor learns which face.
        coder: encodes boxes and points.
        predicted: the detector's output, for assigners that need it, its boxes in `matching_frame`.
        fit: compute `Targets.fit` from `predicted`.
        host: the same anchors on the host, if `anchors` are not.

    Raises:
        ValueError: the assigner or `fit` needs `predicted` and it is None.
    """
    device = anchors.centres.device
    batch = FaceBatch.of([matching_frame(each.boxes, coder) for each in faces])
    assignment = assigner.prepare(host or anchors, batch).to(device).complete(predicted)
    # Only candidates are encoded: a face that no anchor may learn can encode to NaN, which poisons the gradient even if
    # masked. Not only FACE anchors, whose number the host would have to wait for.
    index = candidate_indices(assignment)
    label, face = assignment.label.view(-1)[index], assignment.face.view(-1)[index]
    row = to_device(batch.row_of(), device)[torch.div(index, len(anchors), rounding_mode="floor"), face].clamp(min=0)
    outlines, points, marks = (
        to_device(torch.cat([part.cpu() for part in parts]), device)
        for parts in (
            [each.boxes for each in faces],
            [each.landmarks for each in faces],
            [each.marked for each in faces],
        )
    )
    learns, centres = label == FACE, anchors.centres[index % len(anchors)]
    marked = torch.zeros_like(assignment.compensated)
    marked.view(-1)[index] = marks[row] & learns
    boxes = torch.zeros(*marked.shape, 4, device=device)
    boxes.view(-1, 4)[index] = torch.where(learns[:, None], coder.encode(outlines[row], centres), 0.0)
    landmarks = torch.zeros(*marked.shape, 10, device=device)
    encoded = coder.encode_landmarks(points[row], centres)
    landmarks.view(-1, 10)[index] = torch.where((marks[row] & learns)[:, None], encoded, 0.0)
    fits = None
    if fit:
        there = FaceBatch(to_device(batch.boxes, device), to_device(batch.valid, device))
        fits = fit_of_faces(require_predicted(predicted, "fit").boxes, there, assignment)
    return Targets(boxes, landmarks, assignment.label, marked, assignment, fits)
