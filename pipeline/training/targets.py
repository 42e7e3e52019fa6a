"""What every anchor of a batch is to answer: boxes, landmarks and labels encoded as the detector's coder does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.coder import BoxCoder
from pipeline.boxes.geometry import to_corners
from pipeline.training.assigners import Assigner
from pipeline.training.assigners.assignment import FACE
from pipeline.training.example import Faces


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of B images with A anchors each.

    Attributes:
        boxes: float32 [B, A, 4], deltas where `label` is 1, else 0.
        landmarks: float32 [B, A, 10], deltas where `marked`, else 0.
        label: int64 [B, A], 1 face, 0 background, -1 ignored by the class loss.
        marked: bool [B, A], whether `label` is 1 and the matched face has landmarks.
    """

    boxes: Tensor
    landmarks: Tensor
    label: Tensor
    marked: Tensor


@torch.no_grad()
def encode_targets(anchors: Tensor, faces: Sequence[Faces], assigner: Assigner, coder: BoxCoder) -> Targets:
    """Returns the targets of a batch.

    Args:
        anchors: float32 [A, 4] as ``cx, cy, w, h``, in the frame of the faces (pixels).
        faces: of each image; moved to the anchors' device.
        assigner: which anchor learns which face.
        coder: turns boxes and points into deltas.
    """
    corners = to_corners(anchors)
    images = [_encode_image(anchors, corners, each, assigner, coder) for each in faces]
    return Targets(
        boxes=torch.stack([image.boxes for image in images]),
        landmarks=torch.stack([image.landmarks for image in images]),
        label=torch.stack([image.label for image in images]),
        marked=torch.stack([image.marked for image in images]),
    )


def _encode_image(anchors: Tensor, corners: Tensor, faces: Faces, assigner: Assigner, coder: BoxCoder) -> Targets:
    """Returns the targets of one image, without the leading axis."""
    count, device = len(anchors), anchors.device
    boxes, landmarks, marks = faces.boxes.to(device), faces.landmarks.to(device), faces.marked.to(device)
    assignment = assigner(corners, boxes)
    if len(boxes) == 0:
        return Targets(
            boxes=torch.zeros(count, 4, device=device),
            landmarks=torch.zeros(count, 10, device=device),
            label=assignment.label,
            marked=torch.zeros(count, dtype=torch.bool, device=device),
        )
    # Zeros elsewhere: a face that no anchor may learn can encode to NaN, which poisons the gradient even if masked.
    learns = assignment.label == FACE
    marked = marks[assignment.face] & learns
    deltas = coder.encode(boxes[assignment.face], anchors)
    points = coder.encode_landmarks(landmarks[assignment.face], anchors)
    return Targets(
        boxes=torch.where(learns[:, None], deltas, 0.0),
        landmarks=torch.where(marked[:, None], points, 0.0),
        label=assignment.label,
        marked=marked,
    )
