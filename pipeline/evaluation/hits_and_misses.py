"""Hits, misses and false alarms at one score threshold: per image for the gallery, per face size for the histogram.

The matching is the protocol's own (`wider_ap`): the face of highest IoU (+1) among all faces, at least 0.5, ignored
faces taking their detections out. Only the threshold is added: an image shows one set of boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.matching import first_hits, match_faces
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample
from pipeline.evaluation.false_alarms import detected_faces
from pipeline.evaluation.wider_ap import IOU

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# Pixels of face height; WIDER FACE's own levels begin at about 9 (hard), 16 (medium) and 34 (easy).
SIZE_EDGES: Final = (0, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
DISPLAY_EDGE: Final = 1024


@dataclass(frozen=True, slots=True)
class ImageMatches:
    """One image's hits, misses and false alarms; size and boxes in original pixels.

    Attributes:
        hits: float64 [H, 4] xyxy, first detections of counted faces.
        misses: float64 [M, 4], counted faces that no detection found.
        false_alarms: float64 [A, 4], detections on no face, or on a counted face that was found before.
    """

    image_id: str
    width: int
    height: int
    hits: Float64
    misses: Float64
    false_alarms: Float64

    @property
    def mistakes(self) -> int:
        """Misses plus false alarms."""
        return len(self.misses) + len(self.false_alarms)


@dataclass(frozen=True, slots=True)
class SizeHistogram:
    """Counted faces and found faces per bin of face height.

    Attributes:
        edges: lower edge of each bin in pixels; the last bin has no upper edge.
        faces: int64 [bins], faces that count.
        found: int64 [bins], those that a detection at or above the threshold matched.
    """

    edges: tuple[int, ...]
    faces: Int64
    found: Int64


def match_image(sample: Sample, detections: Detections, score: float, subset: str = "hard") -> ImageMatches:
    """Returns hits, misses and false alarms of one image.

    Args:
        sample: image with all its faces; a set without levels counts every face.
        detections: of the same image, best first.
        score: raw score at and above which a detection counts.
        subset: whose faces count; the others are ignored.

    Raises:
        ValueError: the two are not of the same image.
    """
    if sample.image_id != detections.image_id:
        raise ValueError(f"faces of {sample.image_id}, detections of {detections.image_id}")
    boxes = detections.boxes[detections.scores >= score].astype(np.float64)
    faces = sample.boxes.astype(np.float64)
    counted = sample.levels.get(subset, np.ones(len(faces), bool))
    face_N = match_faces(boxes, np.zeros(len(boxes), np.int64), faces, np.zeros(len(faces), np.int64), IOU)
    on_counted = np.append(counted, False)[face_N]
    hit = on_counted & first_hits(face_N, len(faces))
    found = np.zeros(len(faces), bool)
    found[face_N[hit]] = True
    return ImageMatches(
        image_id=sample.image_id,
        width=sample.width,
        height=sample.height,
        hits=boxes[hit],
        misses=faces[counted & ~found],
        false_alarms=boxes[(face_N < 0) | (on_counted & ~hit)],
    )


def most_mistakes(
    pairs: Iterable[tuple[Sample, Detections]], score: float, subset: str = "hard", limit: int | None = None
) -> list[ImageMatches]:
    """Returns the images with the most mistakes first (equal ones by name), at most `limit`; unreadable ones left out.

    No pixel is read: open the files of the images that this returns.
    """
    found = [match_image(sample, row, score, subset) for sample, row in pairs if sample.width and not row.error]
    return sorted(found, key=lambda item: (-item.mistakes, item.image_id))[:limit]


def most_detections(
    pairs: Iterable[tuple[Sample, Detections]], score: float, limit: int | None = None
) -> list[ImageMatches]:
    """Returns the images with the most detections first, each taken as a hit: for images without labels."""
    none = np.zeros((0, 4))
    found = [
        ImageMatches(
            each.image_id, each.width, each.height, row.boxes[row.scores >= score].astype(np.float64), none, none
        )
        for each, row in pairs
        if each.width and not row.error
    ]
    return sorted(found, key=lambda item: (-len(item.hits), item.image_id))[:limit]


def shrink(image_bgr: NDArray[np.uint8], long_edge: int = DISPLAY_EDGE) -> NDArray[np.uint8]:
    """Returns uint8 [H, W, 3] BGR pixels with their longer side at most `long_edge`."""
    from pipeline.data.images import resize

    height, width = image_bgr.shape[:2]
    factor = min(1.0, long_edge / max(height, width))
    target = max(1, round(width * factor)), max(1, round(height * factor))
    # Exact halves average 2 x 2 pixels; a single bilinear step would skip most of an 8K image.
    while image_bgr.shape[1] >= 2 * target[0] and image_bgr.shape[0] >= 2 * target[1]:
        image_bgr = resize(image_bgr, image_bgr.shape[1] // 2, image_bgr.shape[0] // 2)
    return resize(image_bgr, *target)


def size_histogram(
    truth: WiderGroundTruth,
    predictions: PredictionSet,
    score: float,
    subset: str = "hard",
    edges: Sequence[int] = SIZE_EDGES,
) -> SizeHistogram:
    """Returns how many counted faces there are per bin of height, and how many are found from a raw score on.

    Predictions may be of any images, in any order; `edges` are rising pixels, and smaller faces are in the first bin.
    """
    _, found = detected_faces(predictions, truth, score)
    faces = np.concatenate([np.zeros((0, 4)), *truth.boxes])
    counted = np.concatenate([np.zeros(0, bool), *truth.counts[subset]])
    bins = np.maximum(np.searchsorted(edges, faces[:, 3] - faces[:, 1], side="right") - 1, 0)
    per_bin = [
        np.bincount(bins[chosen], minlength=len(edges)).astype(np.int64) for chosen in (counted, counted & found)
    ]
    return SizeHistogram(tuple(edges), *per_bin)
