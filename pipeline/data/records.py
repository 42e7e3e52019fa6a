"""Checked records: an image with its faces, scored boxes, and an image with its detections, to and from Arrow rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.boxes.frame import Frame
from pipeline.data.schemas import ATTRIBUTES, CORNERS, LEVELS
from pipeline.engine.measures import count

Float32 = NDArray[np.float32]

WITHOUT_LANDMARKS: Final = ("image_id", "width", "height", *CORNERS, "score", "error")
"""Columns of `schemas.DETECTIONS` that suffice for `read_detections`."""
_DETECTIONS_FIELDS: Final = ["image_id", "width", "height", "error"]
_SAMPLE_FIELDS: Final = [*_DETECTIONS_FIELDS, "path", "content_hash"]


def _no_boxes() -> Float32:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a dataset and its labelled faces."""

    image_id: str  # unique name within the dataset
    path: str  # file, relative to the dataset's root, with forward slashes
    content_hash: str  # BLAKE2b-128 of the file's bytes, hexadecimal
    width: int  # pixels after the orientation tag is applied; 0 if the header cannot be read
    height: int  # likewise
    boxes: Float32 = field(default_factory=_no_boxes)  # float32 [F, 4], xyxy in pixels, x2 = x + w
    attributes: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)  # name -> [F], or [0] for none
    levels: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)  # subset -> [F], whether the face counts
    landmarks: Float32 | None = None  # [F, 5, 2] in pixels (eyes, nose, mouth corners; left first)
    error: str | None = None  # why the image cannot be used, or None

    def __post_init__(self) -> None:
        """Raises ValueError where two lengths disagree."""
        try:
            faces = _check_boxes(self.boxes)
            _check_landmarks(self.landmarks, faces)
        except ValueError as error:
            raise ValueError(f"{self.image_id}: {error}") from None
        lengths = [("attribute", name, len(values)) for name, values in self.attributes.items() if len(values)]
        lengths += [("level", name, len(flags)) for name, flags in self.levels.items()]
        for kind, name, length in lengths:
            if length != faces:
                raise ValueError(f"{self.image_id}: {kind} {name} has {length} values for {faces} faces")

    def to_row(self) -> dict[str, Any]:
        """Returns a row of `schemas.SAMPLES`."""
        faces = len(self.boxes)
        return {
            **{name: getattr(self, name) for name in _SAMPLE_FIELDS},
            **{name: self.boxes[:, i] for i, name in enumerate(CORNERS)},
            **{name: self.attributes.get(name, np.zeros(0, np.int8)) for name in ATTRIBUTES},
            **{name: self.levels.get(name, np.zeros(faces, bool)) for name in LEVELS},
            "landmarks": _flat(self.landmarks),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Sample:
        """Returns the sample of a row of `schemas.SAMPLES` as `Table.to_pylist` gives it."""
        return cls(
            **{name: row[name] for name in _SAMPLE_FIELDS},
            boxes=boxes_of(row),
            attributes={name: np.asarray(row[name], np.int8) for name in ATTRIBUTES},
            levels={name: np.asarray(row[name], bool) for name in LEVELS},
            landmarks=_points(row["landmarks"]),
        )


@dataclass(frozen=True, slots=True)
class ScoredBoxes:
    """The boxes of one image, before or after suppression, best first.

    What predictors return and dumps hold is continuous. A rule made for other corners asks `corners` for its own.
    """

    boxes: Float32  # float32 [N, 4] xyxy in pixels of the original image, not clipped
    scores: Float32  # float32 [N], never rising
    landmarks: Float32 | None = None  # [N, 5, 2] in original pixels (eyes, nose, mouth corners; left first)
    frame: Frame = Frame.CONTINUOUS  # of the boxes' corners

    def __post_init__(self) -> None:
        """Raises ValueError where the lengths disagree."""
        n = _check_boxes(self.boxes)
        if self.scores.shape != (n,):
            raise ValueError(f"scores have shape {self.scores.shape}, expected ({n},)")
        _check_landmarks(self.landmarks, n)

    def __len__(self) -> int:
        """Returns the number of boxes."""
        return len(self.boxes)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> ScoredBoxes:
        """Returns the chosen rows, by index, mask or slice."""
        landmarks = None if self.landmarks is None else self.landmarks[rows]
        return ScoredBoxes(self.boxes[rows], self.scores[rows], landmarks, self.frame)

    def corners(self, frame: Frame) -> NDArray[np.float64]:
        """Returns float64 [N, 4], the boxes in a frame, whatever frame they are in here."""
        return frame.corners(self.boxes, self.frame)

    def to(self, frame: Frame) -> ScoredBoxes:
        """Returns the same boxes, written in a frame."""
        return self if frame is self.frame else replace(self, boxes=self.corners(frame).astype(np.float32), frame=frame)


@dataclass(frozen=True, slots=True)
class Detections:
    """The boxes a detector found in one image, best first."""

    image_id: str  # the sample's
    width: int  # of the image, pixels after orientation; 0 where it could not be decoded
    height: int  # likewise
    boxes: Float32 = field(default_factory=_no_boxes)  # float32 [N, 4], xyxy in original pixels, not clipped
    scores: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))  # float32 [N], never rising
    landmarks: Float32 | None = None  # [N, 5, 2] in original pixels (eyes, nose, mouth corners; left first)
    error: str | None = None  # why there are no boxes, or None

    def __post_init__(self) -> None:
        """Raises ValueError where lengths disagree, numbers are not finite or scores rise."""
        try:
            n = len(self.scored)
        except ValueError as error:
            raise ValueError(f"{self.image_id}: {error}") from None
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise ValueError(f"{self.image_id}: boxes and scores must be finite")
        if n > 1 and (np.diff(self.scores) > 0).any():
            raise ValueError(f"{self.image_id}: scores must never rise from one row to the next")

    @property
    def scored(self) -> ScoredBoxes:
        """The boxes alone."""
        return ScoredBoxes(self.boxes, self.scores, self.landmarks)

    def to_row(self) -> dict[str, Any]:
        """Returns a row of `schemas.DETECTIONS`."""
        count("boxes", len(self.boxes))
        return {
            **{name: getattr(self, name) for name in _DETECTIONS_FIELDS},
            "valid": len(self.boxes),
            **{name: self.boxes[:, i] for i, name in enumerate(CORNERS)},
            "score": self.scores,
            "landmarks": _flat(self.landmarks),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Detections:
        """Returns the record of a row of `schemas.DETECTIONS` (lists or arrays), which may lack the landmarks."""
        return cls(
            **{name: row[name] for name in _DETECTIONS_FIELDS},
            boxes=boxes_of(row),
            scores=np.asarray(row["score"], np.float32),
            landmarks=_points(row.get("landmarks", ())),
        )


def read_detections(table: pa.Table) -> Iterator[Detections]:
    """Yields the records of a table of `schemas.DETECTIONS` without a Python object per number.

    A row of 5,000 boxes with landmarks takes 0.3 ms, by `Table.to_pylist` 6 ms. The column of landmarks, two thirds of
    the bytes, may be absent (`WITHOUT_LANDMARKS`).
    """
    names = tuple(name for name in (*CORNERS, "score", "landmarks") if name in table.column_names)
    lists = {name: _flat_list(table.column(name)) for name in names}
    plain = table.select(_DETECTIONS_FIELDS).to_pylist()
    for i, row in enumerate(plain):
        values = {name: flat[offsets[i] : offsets[i + 1]] for name, (flat, offsets) in lists.items()}
        yield Detections.from_row({**row, **values})


def _flat_list(column: pa.ChunkedArray) -> tuple[Float32, NDArray[np.int64]]:
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy().astype(np.int64)
    return array.flatten().to_numpy(), offsets - offsets[0]


def boxes_of(row: Mapping[str, Any]) -> Float32:
    """Returns float32 [N, 4], the boxes of a row with columns `CORNERS` (lists or arrays)."""
    return np.stack([np.asarray(row[name], np.float32) for name in CORNERS], axis=1)


def _flat(landmarks: Float32 | None) -> Float32:
    return np.zeros(0, np.float32) if landmarks is None else landmarks.reshape(-1)


def _points(values: Any) -> Float32 | None:
    flat = np.asarray(values, np.float32)
    return flat.reshape(-1, 5, 2) if flat.size else None


def _check_landmarks(landmarks: Float32 | None, boxes: int) -> None:
    if landmarks is not None and landmarks.shape != (boxes, 5, 2):
        raise ValueError(f"landmarks have shape {landmarks.shape}, expected ({boxes}, 5, 2)")


def _check_boxes(boxes: Float32) -> int:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes have shape {boxes.shape}, expected (N, 4)")
    return len(boxes)
