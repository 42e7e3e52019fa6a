"""An image with its labelled faces, the input and output of augmentations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    from pipeline.data.records import Sample

Float32 = NDArray[np.float32]
Pixels = NDArray[np.uint8 | np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
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
    ) -> Scene:
        """Returns the scene of an original image; without landmarks they are NaN, without `valid` all faces are.

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

    @classmethod
    def of_sample(cls, sample: Sample, image: Pixels) -> Scene:
        """Returns the scene of a dataset's row and its decoded image; faces marked `invalid` are kept and valid.

        The published training learns every labelled face, the `invalid` ones of WIDER FACE too.
        """
        return cls.of(image, sample.boxes, sample.landmarks)

    def take(self, chosen: NDArray[np.bool_]) -> Scene:
        """Returns the scene with only the faces where `chosen`, bool [F]."""
        return replace(
            self,
            boxes=self.boxes[chosen],
            landmarks=self.landmarks[chosen],
            valid=self.valid[chosen],
            rows=self.rows[chosen],
        )


def has_area(boxes: Float32) -> NDArray[np.bool_]:
    """Returns bool [F]: whether both sides of each xyxy box are longer than 0."""
    longer: NDArray[np.bool_] = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    return longer


def face_scales(boxes: Float32) -> Float32:
    """Returns float32 [F]: the square root of the area of xyxy boxes, in pixels; MogFace's scale of a face."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    scales: Float32 = np.sqrt(sides[:, 0] * sides[:, 1])
    return scales


def drop_small_faces(scene: Scene, min_face: float = 8.0) -> Scene:
    """Returns the scene without faces whose scale is below `min_face` pixels; with all of them if none would remain."""
    large = face_scales(scene.boxes) >= min_face
    return scene.take(large) if large.any() else scene
