"""One labelled image on its way into a batch, and the batch that a training step sees."""

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
    """What one training step sees.

    Attributes:
        image_ids: B names.
        images: float32 [B, 3, H, W], normalised as the detector wants it, on any device.
        faces: B entries, on the host, where they are matched.
    """

    image_ids: tuple[str, ...]
    images: Tensor
    faces: tuple[Faces, ...]
