"""Photographs of a page: what each run did in them at every score, and their pixels within a budget of bytes.

A detection has one kind whatever the score it is cut at, since what is cut away is behind it: a face is found from the
score of the first detection that goes to it, and missed below. So a reader can move the score on the page.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.matching import first_hits, match_faces
from pipeline.data.images import encode_jpeg
from pipeline.data.records import Detections, Sample
from pipeline.evaluation.closest_faces import NEAR
from pipeline.evaluation.hits_and_misses import ImageMatches, shrink
from pipeline.evaluation.wider_ap import IOU

Float64 = NDArray[np.float64]

PHOTOGRAPH_BYTES: Final = 1_700_000
"""Of all photographs of a page together, as base64: what its 3 MB leave beside curves, tables and boxes."""
MOST_MARKS: Final = 1200
"""Detections kept of one photograph, over all runs, beside those that are drawn at first: about 600 KB in 24."""
KINDS: Final = ("hit", "localisation", "duplicate", "alarm")
"""Of a detection, in the order in which a page numbers them."""
_TRIES: Final = ((1024, 78), (1024, 66), (880, 62), (720, 58), (600, 54), (480, 50), (360, 45), (240, 40), (160, 30))


@dataclass(frozen=True, slots=True)
class RunMarks:
    """What one run did in one image.

    Attributes:
        boxes: float64 [N, 4] xyxy in original pixels, best first, without those on ignored faces.
        scores: float64 [N], raw.
        kinds: int64 [N], rows of `KINDS`.
        found: float64 [F], the score from which on each counted face is found; NaN for never.
    """

    boxes: Float64
    scores: Float64
    kinds: NDArray[np.int64]
    found: Float64


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """An image of the gallery.

    Attributes:
        matches: of the first run at the page's score, drawn where no script runs.
        jpeg: of the image at any size of the same shape.
        faces: float64 [F, 4], the faces that count; none of an image without labels.
        runs: one for each run of `PageData.views`; None where a run does not have the image.
    """

    matches: ImageMatches
    jpeg: bytes
    faces: Float64
    runs: Sequence[RunMarks | None] = ()


def counted_faces(sample: Sample, subset: str) -> Float64:
    """Returns float64 [F, 4], the faces of an image that count in a subset; all where it has no levels."""
    faces: Float64 = sample.boxes.astype(np.float64)[_counted(sample, subset)]
    return faces


def most_marks(runs: int) -> int:
    """Returns the number of detections of one photograph that each of some runs has a place for."""
    return MOST_MARKS // max(1, runs)


def mark_image(
    sample: Sample,
    detections: Detections,
    floor: float,
    most: int,
    subset: str | None = "hard",
    whole_from: float = np.inf,
) -> RunMarks:
    """Returns what a run did in one image, by the protocol of `hits_and_misses`.

    Args:
        sample: image with all its faces.
        detections: of the same image, best first.
        floor: lowest raw score to keep.
        most: most detections to keep, the best ones; more where more reach `whole_from`.
        subset: whose faces count; the others are ignored. None where there are no labels: every detection is a hit.
        whole_from: raw score at and above which all are kept.
    """
    most = max(most, int((detections.scores >= whole_from).sum()))
    use = detections.scores >= floor
    boxes, scores = detections.boxes[use][:most].astype(np.float64), detections.scores[use][:most].astype(np.float64)
    if subset is None:
        return RunMarks(boxes, scores, np.zeros(len(boxes), np.int64), np.zeros(0))
    faces, counted = sample.boxes.astype(np.float64), _counted(sample, subset)
    same_N, same_F = np.zeros(len(boxes), np.int64), np.zeros(len(faces), np.int64)
    face_N = match_faces(boxes, same_N, faces, same_F, IOU)
    near_N = match_faces(boxes, same_N, faces, same_F, NEAR)
    on_N = np.append(counted, False)[face_N]
    hit_N = on_N & first_hits(face_N, len(faces))
    kinds = np.where(near_N >= 0, KINDS.index("localisation"), KINDS.index("alarm"))
    kinds = np.where(on_N, KINDS.index("duplicate"), kinds)
    kinds = np.where(hit_N, KINDS.index("hit"), kinds)
    found = np.full(len(faces), np.nan)
    found[face_N[hit_N]] = scores[hit_N]
    shown = on_N | (face_N < 0)
    return RunMarks(boxes[shown], scores[shown], kinds[shown].astype(np.int64), found[counted])


def fit_jpegs(images: Iterable[NDArray[np.uint8]], count: int, most: int = PHOTOGRAPH_BYTES) -> Iterator[bytes]:
    """Yields a JPEG per uint8 [H, W, 3] BGR image, all of them together within a number of base64 bytes.

    Each is as large and good as its share of what is left allows; one that needs less leaves the rest to the next.

    Args:
        images: in the order of the page.
        count: how many there are.
        most: bytes of base64 of all together.
    """
    left = most
    for place, pixels in enumerate(images):
        small = shrink(pixels, _TRIES[0][0])
        share = left // max(1, count - place)
        for edge, quality in _TRIES:
            jpeg = encode_jpeg(shrink(small, edge), quality)
            if _base64_bytes(jpeg) <= share:
                break
        left -= _base64_bytes(jpeg)
        yield jpeg


def gallery_json(item: GalleryItem) -> dict[str, Any]:
    """Returns what the page's script draws: boxes in whole pixels, scores to three digits.

    `{"faces": [x1, y1, x2, y2, ...], "runs": [{"boxes": [x1, y1, x2, y2, score, kind, ...], "found": [score | null]} |
    null, ...]}`
    """
    return {"faces": np.rint(item.faces).astype(int).ravel().tolist(), "runs": [_run_json(each) for each in item.runs]}


def jpeg_text(item: GalleryItem) -> str:
    """Returns the JPEG in base64."""
    return base64.b64encode(item.jpeg).decode("ascii")


def _run_json(marks: RunMarks | None) -> dict[str, Any] | None:
    if marks is None:
        return None
    corners = np.rint(marks.boxes).astype(int).tolist()
    rows = zip(corners, marks.scores.tolist(), marks.kinds.tolist(), strict=True)
    flat = [number for box, score, kind in rows for number in (*box, round(score, 3), kind)]
    return {"boxes": flat, "found": [None if score != score else round(score, 3) for score in marks.found.tolist()]}


def _counted(sample: Sample, subset: str) -> NDArray[np.bool_]:
    return sample.levels.get(subset, np.ones(len(sample.boxes), bool))


def _base64_bytes(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4
