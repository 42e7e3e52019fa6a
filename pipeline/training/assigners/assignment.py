"""The two vectors that every assigner gives back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FACE, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Assignment:
    """What each anchor of one image is to learn.

    Attributes:
        face: int64 [A], index of the face the anchor is matched to; to be read only where `label` is FACE.
        label: int64 [A], 1 face, 0 background, -1 ignored by the class loss.
    """

    face: Tensor
    label: Tensor

    def __post_init__(self) -> None:
        """Raises ValueError where the two vectors disagree in length or are not int64."""
        if self.face.ndim != 1 or self.face.shape != self.label.shape:
            raise ValueError(f"face {tuple(self.face.shape)} and label {tuple(self.label.shape)} must both be [A]")
        if self.face.dtype != torch.int64 or self.label.dtype != torch.int64:
            raise ValueError(f"face is {self.face.dtype} and label is {self.label.dtype}, expected int64 for both")


def all_background(anchors: int, device: torch.device | None = None) -> Assignment:
    """Returns the assignment of an image in which no anchor has a face to learn.

    Args:
        anchors: number of anchors A.
        device: where the two vectors live.
    """
    zeros = torch.zeros(anchors, dtype=torch.int64, device=device)
    return Assignment(face=zeros, label=zeros.clone())
