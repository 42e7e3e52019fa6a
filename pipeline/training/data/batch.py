"""Labelled images on their way into a batch, and the batches of a training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    from torch import Tensor

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """One image with its faces, in the pixels of that image.

    Attributes:
        image_id: names the image in error messages.
        image: uint8 or float32 [H, W, 3], BGR, 0..255; float32 may lie outside after a change of colours.
        boxes: float32 [F, 4], xyxy in pixels.
        landmarks: float32 [F, 5, 2], xy in pixels (eyes, nose, mouth corners; left first); NaN where a face has none.
    """

    image_id: str
    image: NDArray[np.uint8 | np.float32]
    boxes: Float32
    landmarks: Float32

    def __post_init__(self) -> None:
        """Raises ValueError where a shape is wrong or boxes and landmarks differ in number."""
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype not in (np.uint8, np.float32):
            found = f"{self.image.dtype} {self.image.shape}"
            raise ValueError(f"{self.image_id}: image is {found}, expected uint8 or float32 (H, W, 3)")
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"{self.image_id}: boxes have shape {self.boxes.shape}, expected (F, 4)")
        if self.landmarks.shape != (len(self.boxes), 5, 2):
            expected = (len(self.boxes), 5, 2)
            raise ValueError(f"{self.image_id}: landmarks have shape {self.landmarks.shape}, expected {expected}")


@dataclass(frozen=True, slots=True)
class RankerExample:
    """One image with the candidates of one detector.

    Attributes:
        image_id: names the image in error messages.
        image: uint8 [S, S, 3], BGR.
        table: float32 [N, 5], x, y, w, h as shares of the image's sides (corner top left) and score; rows fall in
            score, those behind `valid` are zero.
        truth: float32 [N] in 0..1, the overlap of each box with its closest face, on the original image.
        valid: rows that are boxes.
    """

    image_id: str
    image: NDArray[np.uint8]
    table: Float32
    truth: Float32
    valid: int

    def __post_init__(self) -> None:
        """Raises ValueError where a shape is wrong or there are more boxes than rows."""
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            found = f"{self.image.dtype} {self.image.shape}"
            raise ValueError(f"{self.image_id}: image is {found}, expected uint8 (S, S, 3)")
        rows = len(self.table)
        if self.table.shape != (rows, 5) or self.truth.shape != (rows,):
            found = f"table {self.table.shape} and truth {self.truth.shape}"
            raise ValueError(f"{self.image_id}: {found} do not go together, expected (N, 5) and (N,)")
        if not 0 <= self.valid <= rows:
            raise ValueError(f"{self.image_id}: {self.valid} boxes in a table of {rows} rows")


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one image as tensors.

    Attributes:
        boxes: float32 [F, 4], xyxy, in the frame of the anchors (pixels).
        landmarks: float32 [F, 5, 2] in the same frame; read only where `marked`.
        marked: bool [F], whether the face has landmarks.
    """

    boxes: Tensor
    landmarks: Tensor
    marked: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of a detector's training step.

    Attributes:
        image_ids: B names.
        images: float32 [B, 3, H, W], normalised as the detector expects it, on any device.
        faces: B entries, on the host, where they are matched.
    """

    image_ids: tuple[str, ...]
    images: Tensor
    faces: tuple[Faces, ...]


@dataclass(frozen=True, slots=True)
class RankerBatch:
    """A batch of a ranker's training step.

    Attributes:
        image_ids: B names.
        images: float32 [B, 3, S, S], normalised as the ranker expects it.
        tables: float32 [B, N, 5], see `RankerExample`.
        truths: float32 [B, N].
        valid: int64 [B].
    """

    image_ids: tuple[str, ...]
    images: Tensor
    tables: Tensor
    truths: Tensor
    valid: Tensor
