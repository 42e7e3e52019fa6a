"""The faces of a batch, padded to one number per image, and the detector's output for the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.models.transfer import to_device


@dataclass(frozen=True, slots=True)
class FaceRows:
    """The faces of all images concatenated without padding: G rows by rising image, then column.

    Attributes:
        boxes: float32 [G, 4], xyxy in pixels.
        image: int64 [G].
        column: int64 [G], of the `FaceBatch`.
        images: number of images B.
    """

    boxes: Tensor
    image: Tensor
    column: Tensor
    images: int

    def __len__(self) -> int:
        return len(self.boxes)

    def to(self, device: torch.device) -> FaceRows:
        """Returns them on a device, without waiting for it."""
        boxes, image, column = (to_device(each, device) for each in (self.boxes, self.image, self.column))
        return FaceRows(boxes, image, column, self.images)


@dataclass(frozen=True, slots=True)
class FaceBatch:
    """The faces of B images, at most F each, in the frame of the anchors.

    Attributes:
        boxes: float32 [B, F, 4], xyxy in pixels; arbitrary in the padding.
        valid: bool [B, F], False in the padding.
    """

    boxes: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        """Raises ValueError where shapes or dtypes differ from these."""
        if self.boxes.ndim != 3 or self.boxes.shape[2] != 4 or self.boxes.shape[:2] != self.valid.shape:
            raise ValueError(
                f"boxes {tuple(self.boxes.shape)} and valid {tuple(self.valid.shape)} must be [B, F, 4] and [B, F]"
            )
        if self.boxes.dtype != torch.float32 or self.valid.dtype != torch.bool:
            raise ValueError(f"boxes must be float32 and valid bool, got {self.boxes.dtype} and {self.valid.dtype}")

    @classmethod
    def of(cls, faces: Sequence[Tensor]) -> FaceBatch:
        """Returns the batch of B tensors [F_i, 4] on the host, padded with zeros to the longest, at least 1."""
        counts = [len(each) for each in faces]
        boxes = torch.zeros(len(counts), max([1, *counts]), 4)
        valid = torch.zeros(boxes.shape[:2], dtype=torch.bool)
        for row, (each, count) in enumerate(zip(faces, counts, strict=True)):
            boxes[row, :count], valid[row, :count] = each, True
        return cls(boxes, valid)

    def rows(self) -> FaceRows:
        """Returns the faces without the padding."""
        image, column = torch.nonzero(self.valid, as_tuple=True)
        return FaceRows(self.boxes[image, column], image, column, len(self.boxes))

    def row_of(self) -> Tensor:
        """Returns int64 [B, F], the row of each face in `rows()`; arbitrary in the padding."""
        return torch.cumsum(self.valid.flatten().long(), dim=0).reshape(self.valid.shape) - 1


@dataclass(frozen=True, slots=True)
class Predicted:
    """The output for the batch of the detector that is trained, without gradient.

    Attributes:
        logits: float [B, A], of the class face.
        boxes: float [B, A, 4], decoded, xyxy in pixels of the anchors' frame.
    """

    logits: Tensor
    boxes: Tensor

    def __post_init__(self) -> None:
        """Raises ValueError where the shapes do not agree."""
        if self.logits.ndim != 2 or self.boxes.shape != (*self.logits.shape, 4):
            shapes = f"{tuple(self.logits.shape)} and {tuple(self.boxes.shape)}"
            raise ValueError(f"logits and boxes must be [B, A] and [B, A, 4], got {shapes}")


def require_predicted(predicted: Predicted | None, name: str) -> Predicted:
    """Returns `predicted`; raises ValueError with the assigner's `name` if it is None."""
    if predicted is None:
        raise ValueError(f"the assigner {name} needs the detector's logits and boxes of this batch: pass `predicted`")
    return predicted
