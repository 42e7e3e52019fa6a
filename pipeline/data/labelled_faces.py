"""The labelled faces of an index by image, for stages that compare detections with them row by row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.records import Detections, boxes_of
from pipeline.data.schemas import CORNERS
from pipeline.engine.manifest import Artifact


@dataclass(frozen=True, slots=True)
class ImageFaces:
    """The labelled faces of one image."""

    width: int  # pixels; 0 where the image could not be read when it was indexed
    height: int  # likewise
    boxes: NDArray[np.float32]  # float32 [F, 4], xyxy in pixels, counted and ignored faces alike
    error: str | None = None  # why the image cannot be used, or None

    def mismatch(self, found: Detections) -> str | None:
        """Returns why detections cannot be compared with these faces: an error, or an image of another size."""
        if self.error:
            return self.error
        if (found.width, found.height) != (self.width, self.height):
            return (
                f"detections of {found.width} x {found.height} pixels, faces of {self.width} x {self.height}: "
                "expected a dump of the same image; compute the dump again"
            )
        return None


def faces_of(samples: Artifact) -> dict[str, ImageFaces]:
    """Returns image_id -> faces of every row: 16 bytes a face, about 200 an image."""
    found = {}
    for row in samples.rows(["image_id", "width", "height", *CORNERS, "error"]):
        found[row["image_id"]] = ImageFaces(row["width"], row["height"], boxes_of(row), row["error"])
    return found
