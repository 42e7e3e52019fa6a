"""What every assigner gives back: a matched face and a label for each anchor of each image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FACE, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Assignment:
    """What each of A anchors of B images is to learn; one face per anchor at most, by construction.

    Attributes:
        face: int64 [B, A], column of the `FaceBatch` the anchor is matched to; to be read only where `label` is FACE.
        label: int64 [B, A], 1 face, 0 background, -1 ignored by the class loss.
        compensated: bool [B, A], whether a FACE anchor was added beyond the ordinary matching (S3FD's second stage,
            HAMBox, Ali-AMS); False where `label` is not FACE.
        places: int64 [P], image * A + anchor, among them all that are FACE, some perhaps twice: known without asking
            the device how many there are. None where nobody has listed them.
    """

    face: Tensor
    label: Tensor
    compensated: Tensor
    places: Tensor | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where the tensors disagree in shape or have another dtype."""
        if self.face.ndim != 2 or not self.face.shape == self.label.shape == self.compensated.shape:
            shapes = ", ".join(str(tuple(each.shape)) for each in (self.face, self.label, self.compensated))
            raise ValueError(f"face, label and compensated must all be [B, A], got {shapes}")
        dtypes = (self.face.dtype, self.label.dtype, self.compensated.dtype)
        if dtypes != (torch.int64, torch.int64, torch.bool):
            raise ValueError(f"face, label, compensated must be int64, int64, bool, got {dtypes}")


def candidate_indices(assignment: Assignment) -> Tensor:
    """Returns the `places` of an assignment; where nobody has listed them, those that are FACE, by rising place."""
    if assignment.places is not None:
        return assignment.places
    return torch.nonzero(assignment.label.view(-1) == FACE).squeeze(1)


def all_background(images: int, anchors: int, device: torch.device | None = None) -> Assignment:
    """Returns the assignment of B images in which no anchor has a face to learn, as new tensors.

    Args:
        images: number of images B.
        anchors: number of anchors A.
        device: where the tensors live.
    """
    face = torch.zeros(images, anchors, dtype=torch.int64, device=device)
    return Assignment(face, face.clone(), torch.zeros(images, anchors, dtype=torch.bool, device=device))
