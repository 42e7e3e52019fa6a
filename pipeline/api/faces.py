"""The faces found in one image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.api.images import ChannelOrder, ImageSource, Pixels, read_bgr
from pipeline.data.records import ScoredBoxes

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Boxes of one image, best first.

    Attributes:
        boxes: float32 [N, 4], x1 y1 x2 y2 in pixels of the original image, not clipped to it; width is x2 - x1.
        scores: float32 [N], never rising. A detector's are in 0..1; a ranker's are sums and may leave this range.
        landmarks: float32 [N, 5, 2] in original pixels (eyes, nose, mouth corners; left in the image first), or None
            where the detector has none.
        width: of the image, pixels.
        height: of the image, pixels.
        image: the source they were found in: a path, or the array itself, not a copy.
        channels: order of its channels, where it is an array.
    """

    boxes: Float32
    scores: Float32
    landmarks: Float32 | None
    width: int
    height: int
    image: ImageSource = field(repr=False)
    channels: ChannelOrder = "rgb"

    def __post_init__(self) -> None:
        """Raises ValueError where lengths disagree."""
        ScoredBoxes(self.boxes, self.scores, self.landmarks)

    def __len__(self) -> int:
        """Returns the number of faces."""
        return len(self.boxes)

    def __str__(self) -> str:
        """Returns one line: the number of boxes and the best score."""
        best = f", best score {self.scores[0]:.3f}" if len(self) else ""
        return f"{len(self)} boxes in {self.width} x {self.height} pixels{best}"

    @property
    def scored(self) -> ScoredBoxes:
        """The boxes alone, as the library's other functions take them."""
        return ScoredBoxes(self.boxes, self.scores, self.landmarks)

    def above(self, score: float) -> Faces:
        """Returns the faces whose score is greater."""
        return self.with_boxes(self.scored.take(self.scores > np.float32(score)))

    def with_boxes(self, boxes: ScoredBoxes) -> Faces:
        """Returns other boxes of the same image."""
        return replace(self, boxes=boxes.boxes, scores=boxes.scores, landmarks=boxes.landmarks)

    def draw(self, score: float = 0.5) -> Pixels:
        """Returns the image with the faces above a score drawn on it, uint8 [H, W, 3], in the order of `channels`.

        Raises OSError, ValueError: the file of the image is gone, or is of another size by now.
        """
        from pipeline.inference.draw import draw

        image, shown = read_bgr(self.image, self.channels), self.above(score)
        if image.shape[:2] != (self.height, self.width):
            now = f"{image.shape[1]} x {image.shape[0]}"
            raise ValueError(f"{self.image}: expected {self.width} x {self.height} pixels as detected, found {now}")
        drawn = draw(image, shown.boxes, shown.scores, shown.landmarks)
        return drawn if self.channels == "bgr" else np.ascontiguousarray(drawn[:, :, ::-1])
