"""The result of every assigner: a matched face and a label for each anchor of each image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

FACE, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Assignment:
    """What each of A anchors of B images learns; at most one face per anchor, by construction.

    Attributes:
        face: int64 [B, A], column of the `FaceBatch` the anchor is matched to; valid only where `label` is FACE.
        label: int64 [B, A], 1 face, 0 background, -1 ignored by the class loss.
        compensated: bool [B, A], FACE anchors added beyond the ordinary matching (S3FD's second stage, HAMBox,
            Ali-AMS).
        candidates: int64 [P], flat indices (image * A + anchor) of anchors that may be FACE, among them all that are,
            some perhaps twice: P is known without waiting for the device. None where it was not recorded.
    """

    face: Tensor
    label: Tensor
    compensated: Tensor
    candidates: Tensor | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where the tensors differ in shape or have another dtype."""
        if self.face.ndim != 2 or not self.face.shape == self.label.shape == self.compensated.shape:
            shapes = ", ".join(str(tuple(each.shape)) for each in (self.face, self.label, self.compensated))
            raise ValueError(f"face, label and compensated must all be [B, A], got {shapes}")
        dtypes = (self.face.dtype, self.label.dtype, self.compensated.dtype)
        if dtypes != (torch.int64, torch.int64, torch.bool):
            raise ValueError(f"face, label, compensated must be int64, int64, bool, got {dtypes}")

    def with_faces(self, row: Tensor, column: Tensor) -> Assignment:
        """Returns the assignment in which anchors are FACE for the face of a row, without a change where that is -1.

        Args:
            row: int64 [B, A], of `FaceRows`; -1 for none.
            column: int64 [G], `FaceRows.column`.
        """
        if len(column) == 0:
            return self
        chosen = row >= 0
        face, label = torch.where(chosen, column[row], self.face), torch.where(chosen, FACE, self.label)
        return replace(self, face=face, label=label)


def candidate_indices(assignment: Assignment) -> Tensor:
    """Returns the `candidates` of an assignment, or the rising flat indices of its FACE anchors if it has none."""
    if assignment.candidates is not None:
        return assignment.candidates
    return torch.nonzero(assignment.label.view(-1) == FACE).squeeze(1)


def all_background(images: int, anchors: int, device: torch.device | None = None) -> Assignment:
    """Returns the assignment of B images in which all A anchors are background, as new tensors."""
    face = torch.zeros(images, anchors, dtype=torch.int64, device=device)
    return Assignment(face, face.clone(), torch.zeros(images, anchors, dtype=torch.bool, device=device))
