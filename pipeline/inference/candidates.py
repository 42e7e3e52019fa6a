"""What a detector found in one image, before or after suppression: arrays in original pixels, best first."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.frame import Frame

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes with scores, best first.

    What predictors give and dumps hold is continuous. Rules that were made for other corners ask `corners` for theirs.

    Attributes:
        boxes: float32 [N, 4] xyxy in pixels of the original image, not clipped.
        scores: float32 [N] in 0..1, never rising.
        landmarks: float32 [N, 5, 2] in original pixels, or None where the detector has none.
        frame: of the boxes' corners.
    """

    boxes: Float32
    scores: Float32
    landmarks: Float32 | None = None
    frame: Frame = Frame.CONTINUOUS

    def __post_init__(self) -> None:
        """Raises ValueError where the lengths disagree."""
        n = len(self.boxes)
        marks = None if self.landmarks is None else len(self.landmarks)
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,) or marks not in (None, n):
            raise ValueError(
                f"boxes {self.boxes.shape}, scores {self.scores.shape} and landmarks of {marks} rows do not go together"
            )

    def __len__(self) -> int:
        """Returns the number of boxes."""
        return len(self.boxes)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Candidates:
        """Returns the chosen rows, by index, mask or slice."""
        marks = None if self.landmarks is None else self.landmarks[rows]
        return Candidates(self.boxes[rows], self.scores[rows], marks, self.frame)

    def corners(self, frame: Frame) -> NDArray[np.float64]:
        """Returns float64 [N, 4], the boxes in a frame, whatever frame they are in here."""
        return frame.corners(self.boxes, self.frame)

    def to(self, frame: Frame) -> Candidates:
        """Returns the same boxes, written in a frame."""
        if frame is self.frame:
            return self
        return replace(self, boxes=self.corners(frame).astype(np.float32), frame=frame)
