"""An image with its labelled faces, the input and output of augmentations; and its horizontal flip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Pixels = NDArray[np.uint8 | np.float32]

_LEFT_RIGHT = [1, 0, 2, 4, 3]  # landmarks of the flipped face


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and its faces, one per row.

    Attributes:
        image: uint8 or float32 [H, W, 3], BGR; float pixels keep the range 0..255 but are not clipped to it.
        boxes: float32 [F, 4], xyxy in pixels of the image, x2 = x1 + w.
        landmarks: float32 [F, 5, 2], xy (eyes, nose, mouth corners; left first); NaN where a face has none.
        valid: bool [F], whether a face is learned; the others are transformed too but never aimed at.
        rows: int64 [F], index of each face in the original image, to look up other properties of it.
    """

    image: Pixels
    boxes: Float32
    landmarks: Float32
    valid: NDArray[np.bool_]
    rows: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Raises ValueError where shapes disagree or the image is not uint8 or float32 [H, W, 3]."""
        faces, shape = len(self.boxes), self.image.shape
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or self.image.dtype not in (np.uint8, np.float32):
            raise ValueError(f"image is {self.image.dtype} {shape}, expected uint8 or float32 (H, W, 3)")
        wanted = {"boxes": (faces, 4), "landmarks": (faces, 5, 2), "valid": (faces,), "rows": (faces,)}
        for name, expected in wanted.items():
            if getattr(self, name).shape != expected:
                raise ValueError(f"{name} have shape {getattr(self, name).shape}, expected {expected}")

    @classmethod
    def of(
        cls,
        image: Pixels,
        boxes: Float32,
        landmarks: Float32 | None = None,
        valid: NDArray[np.bool_] | None = None,
    ) -> LabelledImage:
        """Returns an original image with its faces; without landmarks they are NaN, without `valid` all faces are.

        Args:
            image: uint8 or float32 [H, W, 3], BGR.
            boxes: [F, 4], xyxy in pixels.
            landmarks: [F, 5, 2] or None.
            valid: [F] or None.

        Raises:
            ValueError: shapes disagree.
        """
        faces = len(boxes)
        return cls(
            image=image,
            boxes=np.asarray(boxes, np.float32).reshape(faces, 4),
            landmarks=np.full((faces, 5, 2), np.nan, np.float32) if landmarks is None else landmarks,
            valid=np.ones(faces, bool) if valid is None else valid,
            rows=np.arange(faces),
        )

    def take(self, chosen: NDArray[np.bool_]) -> LabelledImage:
        """Returns the image with only the faces where `chosen`, bool [F]."""
        return replace(
            self,
            boxes=self.boxes[chosen],
            landmarks=self.landmarks[chosen],
            valid=self.valid[chosen],
            rows=self.rows[chosen],
        )


def mirror(labelled: LabelledImage) -> LabelledImage:
    """Returns the image flipped left to right, with left and right landmarks exchanged.

    A box (x1, y1, x2, y2) of an image W wide becomes (W - x2, y1, W - x1, y2); the left eye becomes the right one.
    """
    width = np.float32(labelled.image.shape[1])
    boxes, landmarks = labelled.boxes.copy(), labelled.landmarks[:, _LEFT_RIGHT].copy()
    boxes[:, [0, 2]] = width - labelled.boxes[:, [2, 0]]
    landmarks[:, :, 0] = width - landmarks[:, :, 0]
    return replace(labelled, image=np.ascontiguousarray(labelled.image[:, ::-1]), boxes=boxes, landmarks=landmarks)


def has_area(boxes: Float32) -> NDArray[np.bool_]:
    """Returns bool [F]: whether both sides of each xyxy box are longer than 0."""
    longer: NDArray[np.bool_] = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    return longer


def face_scales(boxes: Float32) -> Float32:
    """Returns float32 [F]: the square root of the area of xyxy boxes, in pixels; MogFace's scale of a face."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    scales: Float32 = np.sqrt(sides[:, 0] * sides[:, 1])
    return scales


def drop_small_faces(labelled: LabelledImage, min_face: float = 8.0) -> LabelledImage:
    """Returns the image without faces whose scale is below `min_face` pixels; with all of them if none would remain."""
    large = face_scales(labelled.boxes) >= min_face
    return labelled.take(large) if large.any() else labelled
