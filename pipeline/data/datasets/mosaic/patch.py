"""A patch: a window of an image scaled into a rectangle of the canvas, with its faces and pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.canvas import Box
from pipeline.data.datasets.mosaic.cells import Cell
from pipeline.data.datasets.mosaic.window import inside, visible, window_around
from pipeline.data.datasets.wider_face.subsets import MIN_HEIGHT, height_levels
from pipeline.data.images import Image
from pipeline.data.records import Sample
from pipeline.data.schemas import ATTRIBUTES

MIN_CANVAS_HEIGHT: Final = {"easy": 50, "medium": 30, "hard": 9}
"""Pixels on the canvas: WIDER FACE's own, but that hard begins with the 9 px at which CRFace's 8K set begins."""
_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Patch:
    """A window of an image, scaled into a rectangle of the canvas."""

    source: Sample  # the image, its faces included
    window: Box  # (x0, y0, x1, y1) in whole pixels of it
    place: Box  # (x0, y0, x1, y1) in whole pixels of the canvas

    def faces(self) -> NDArray[np.intp]:
        """Returns the rows of the source's faces in the window."""
        return np.flatnonzero(inside(_visible(self.source), self.window))

    def to_canvas(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Returns float32 xyxy boxes [F, 4] or points [F, K, 2] of the source in canvas pixels, not clipped."""
        low, high = np.array(self.window[:2], np.float64), np.array(self.window[2:], np.float64)
        start, end = np.array(self.place[:2], np.float64), np.array(self.place[2:], np.float64)
        pairs = points.astype(np.float64).reshape(len(points), -1, 2)
        moved = (pairs - low) * ((end - start) / (high - low)) + start
        return moved.astype(np.float32).reshape(points.shape)


def patch_for(cell: Cell, sources: Sequence[Sample], random: np.random.Generator) -> Patch | None:
    """Returns a patch in which one face has the cell's height, or None where no source has such a patch.

    The face nearest in height is taken, whose image is scaled least. Window and patch are placed by ``random``; sources
    with an error are skipped.
    """
    for source, face in list(_nearest(cell.face, sources))[:_TRIES]:
        boxes = _visible(source)
        scale = cell.face / (boxes[face, 3] - boxes[face, 1])
        most = (int(cell.width / scale), int(cell.height / scale))
        window = window_around(boxes, face, (source.width, source.height), most, random)
        if window is None:
            continue
        width = _side((window[2] - window[0]) * scale, cell.width)
        height = _side((window[3] - window[1]) * scale, cell.height)
        x = cell.x + int(random.integers(cell.width - width + 1))
        y = cell.y + int(random.integers(cell.height - height + 1))
        return Patch(source, window, (x, y, x + width, y + height))
    return None


def with_faces(canvas: Sample, patches: Sequence[Patch]) -> Sample:
    """Returns a canvas with the faces of all its patches, those of the first patch first, in pixels of the canvas.

    It has the attributes and landmarks that every source has. Levels are by height on the canvas, see
    `MIN_CANVAS_HEIGHT`; a face that its source ignores is ignored.
    """
    rows = [patch.faces() for patch in patches]
    both = list(zip(patches, rows, strict=True))
    boxes = [patch.to_canvas(_visible(patch.source)[row]) for patch, row in both]
    joined = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
    ignored = np.concatenate([np.zeros(0, bool), *(_ignored(patch.source)[row] for patch, row in both)])
    attributes = {
        name: np.concatenate([patch.source.attributes[name][row] for patch, row in both])
        for name in ATTRIBUTES
        if both and all(len(patch.source.attributes.get(name, ())) for patch in patches)
    }
    landmarks = [patch.to_canvas(found[row]) for patch, row in both if (found := patch.source.landmarks) is not None]
    return replace(
        canvas,
        boxes=joined,
        attributes=attributes,
        levels=height_levels(joined[:, 3] - joined[:, 1], ignored, MIN_CANVAS_HEIGHT),
        landmarks=np.concatenate(landmarks) if landmarks and len(landmarks) == len(patches) else None,
    )


def paste(canvas: Image, patch: Patch, pixels: Image) -> None:
    """Draws a patch on a canvas uint8 [H, W, 3] BGR, in place: enlarged bilinearly, reduced by area.

    ``pixels`` are uint8 [h, w, 3] BGR, the whole source; ValueError where its size has changed since it was indexed.
    """
    import cv2

    if pixels.shape[:2] != (patch.source.height, patch.source.width):
        raise ValueError(
            f"{patch.source.path} has {pixels.shape[1]} x {pixels.shape[0]} pixels, expected {patch.source.width} x "
            f"{patch.source.height} as indexed; index again"
        )
    (x0, y0, x1, y1), (left, top, right, bottom) = patch.window, patch.place
    reduced = right - left < x1 - x0
    method = cv2.INTER_AREA if reduced else cv2.INTER_LINEAR
    piece = pixels[y0:y1, x0:x1]
    # Straight into the canvas: a piece may be as large as all of it.
    cv2.resize(piece, (right - left, bottom - top), dst=canvas[top:bottom, left:right], interpolation=method)


def _nearest(height: float, sources: Sequence[Sample]) -> Iterator[tuple[Sample, int]]:
    """Yields (source, row) of every face that counts, the one nearest in height first."""
    found = []
    for number, source in enumerate(sources):
        if source.error is not None:
            continue
        boxes = _visible(source)
        heights = boxes[:, 3] - boxes[:, 1]
        for row in np.flatnonzero(np.isfinite(heights) & ~_ignored(source)).tolist():
            found.append((abs(float(np.log(heights[row] / height))), number, row))
    for _, number, row in sorted(found):
        yield sources[number], row


def _visible(source: Sample) -> NDArray[np.float64]:
    return visible(source.boxes, source.width, source.height)


def _ignored(source: Sample) -> NDArray[np.bool_]:
    """Returns bool [F]: faces that count in no subset of their source although they are large enough."""
    counted = np.zeros(len(source.boxes), bool)
    for flags in source.levels.values():
        counted |= flags
    invalid = source.attributes.get("invalid", np.zeros(0, np.int8))
    heights = source.boxes[:, 3] - source.boxes[:, 1]
    ignored: NDArray[np.bool_] = ~counted & (heights >= MIN_HEIGHT["hard"])
    return ignored | (invalid == 1) if len(invalid) else ignored


def _side(length: float, most: int) -> int:
    return min(most, max(1, round(length)))
