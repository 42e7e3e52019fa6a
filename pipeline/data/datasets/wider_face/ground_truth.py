"""The official WIDER FACE validation ground truth (four .mat files): all faces, and which of them count per subset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.file_path import FilePath
from pipeline.data.opened_size import TooLargeError, check_mat_size
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS
from pipeline.engine.object_reader import UnreachableError

FACES_FILE: Final = "wider_face_val.mat"
LEVEL_FILES: Final = {level: f"wider_{level}_val.mat" for level in LEVELS}
OFFICIAL_FILES: Final = (FACES_FILE, *LEVEL_FILES.values())
MOST_MAT_BYTES: Final = 2**30
"""Of the variables of a MATLAB file, decompressed; the official ones have 5 million."""


@dataclass(frozen=True)
class WiderGroundTruth:
    """The faces of a set of images and, per subset, which of them count (the others are ignored, not absent)."""

    image_ids: tuple[str, ...]  # "<event>/<name>" without ".jpg", in the order of the .mat file
    boxes: tuple[NDArray[np.float64], ...]  # per image [F, 4] xyxy in pixels, x2 = x + w, as published
    counts: Mapping[str, tuple[NDArray[np.bool_], ...]]  # subset -> per image [F], whether the face counts

    def __post_init__(self) -> None:
        """Raises ValueError where an image comes twice, or an image or a face has no entry in one of the fields."""
        if len(self._places) != len(self.image_ids):
            twice = next(name for name, times in Counter(self.image_ids).items() if times > 1)
            raise ValueError(f"image {twice} is listed twice")
        for name, column in (("boxes", self.boxes), *self.counts.items()):
            if len(column) != len(self.image_ids):
                raise ValueError(f"{name} has {len(column)} images, expected {len(self.image_ids)}")
        for level, column in self.counts.items():
            for image_id, faces, counted in zip(self.image_ids, self.boxes, column, strict=True):
                if faces.shape != (len(counted), 4):
                    raise ValueError(
                        f"{image_id}: boxes have shape {faces.shape}, expected ({len(counted)}, 4) as in {level}"
                    )

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {image_id: row for row, image_id in enumerate(self.image_ids)}

    def restrict(self, image_ids: Collection[str]) -> WiderGroundTruth:
        """Returns the ground truth of these images only, in this object's order; the cost depends on their number.

        Raises ValueError: an image is not known here; the message names the first ones.
        """
        wanted = set(image_ids)
        unknown = sorted(image_id for image_id in wanted if image_id not in self._places)
        if unknown:
            raise ValueError(f"{len(unknown)} images are not in the ground truth: {', '.join(unknown[:5])}")
        rows = sorted(self._places[image_id] for image_id in wanted)
        return WiderGroundTruth(
            image_ids=tuple(self.image_ids[row] for row in rows),
            boxes=tuple(self.boxes[row] for row in rows),
            counts={level: tuple(column[row] for row in rows) for level, column in self.counts.items()},
        )


def ground_truth_of(samples: Iterable[Sample]) -> WiderGroundTruth:
    """Returns the ground truth of labelled samples by their own `levels`; a missing level counts every face."""
    rows = list(samples)
    return WiderGroundTruth(
        image_ids=tuple(sample.image_id for sample in rows),
        boxes=tuple(sample.boxes.astype(np.float64) for sample in rows),
        counts={
            level: tuple(sample.levels.get(level, np.ones(len(sample.boxes), bool)) for sample in rows)
            for level in LEVELS
        },
    )


def is_official(path: FilePath) -> bool:
    """Returns whether a folder has one of the four official files."""
    return path.is_dir() and any((path / name).is_file() for name in OFFICIAL_FILES)


def load_ground_truth(folder: FilePath) -> WiderGroundTruth:
    """Returns the ground truth of the four official files in a folder (about 0.1 s).

    Raises FileNotFoundError: naming each .mat file that is not there; ValueError: a file does not have the official
    structure, or keeps a face that does not exist.
    """
    if missing := [name for name in OFFICIAL_FILES if not (folder / name).is_file()]:
        lacking = f"{folder} lacks {', '.join(missing)}" if folder.is_dir() else f"no folder {folder}"
        expected = f"the official ground truth is {', '.join(OFFICIAL_FILES)}"
        raise FileNotFoundError(f"{lacking}; {expected}, of eval_tools.zip on the benchmark's website")
    image_ids, boxes = _faces(folder / FACES_FILE)
    counts = {level: _kept(folder / name, image_ids, boxes) for level, name in LEVEL_FILES.items()}
    try:
        return WiderGroundTruth(tuple(image_ids), tuple(boxes), counts)
    except ValueError as error:
        raise ValueError(f"{folder / FACES_FILE}: {error}") from None


def _faces(file: FilePath) -> tuple[list[str], list[NDArray[np.float64]]]:
    tables = read_mat(file, "event_list", "file_list", "face_bbx_list")
    image_ids: list[str] = []
    boxes: list[NDArray[np.float64]] = []
    try:
        for (event,), (names,), (faces,) in zip(*tables, strict=True):
            for (name,), (xywh,) in zip(names, faces, strict=True):
                image_ids.append(f"{event[0]}/{name[0]}")
                boxes.append(_corners(xywh))
    except (ValueError, TypeError, IndexError) as error:  # cells nested or filled in another way
        at = f" after {image_ids[-1]}" if image_ids else ""
        raise ValueError(
            f"{file}: expected per event its images, and per image boxes [n, 4]; found{at}: {error}"
        ) from None
    return image_ids, boxes


def read_mat(file: FilePath, *names: str, optional: tuple[str, ...] = ()) -> list[Any]:
    """Returns variables of a MATLAB file, None for an optional one that is absent.

    Raises ValueError: it is no MATLAB file, lacks a variable, or opens to more than `MOST_MAT_BYTES`.
    """
    import scipy.io  # 0.3 s that planning need not pay

    try:
        with file.open("rb") as stream:
            check_mat_size(stream, MOST_MAT_BYTES)
            stream.seek(0)
            content = scipy.io.loadmat(stream, variable_names=[*names, *optional])
    except UnreachableError:
        raise
    except TooLargeError as error:
        raise ValueError(f"{file}: expected ground truth or predictions, found a MATLAB file: {error}") from None
    except Exception as error:  # scipy raises errors of many types for damaged bytes
        raise ValueError(f"{file} cannot be read as a MATLAB file: {' '.join(str(error).split())}") from error
    if absent := [name for name in names if name not in content]:
        raise ValueError(f"{file} has no variable {', '.join(absent)}")
    return [content.get(name) for name in (*names, *optional)]


def _corners(xywh: NDArray[Any]) -> NDArray[np.float64]:
    boxes = np.array(xywh, np.float64)
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise ValueError(f"boxes of shape {boxes.shape}")
    if not np.isfinite(boxes).all():
        raise ValueError(f"a box that is not finite: {boxes[~np.isfinite(boxes).all(axis=1)][0].tolist()}")
    boxes = boxes.reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _kept(file: FilePath, image_ids: list[str], boxes: list[NDArray[np.float64]]) -> tuple[NDArray[np.bool_], ...]:
    cells, events, names = read_mat(file, "gt_list", optional=("event_list", "file_list"))
    try:
        # The positions are 1-based and uint8 (uint16 in big images): widened before anything is subtracted.
        lists = [kept.astype(np.int64).ravel() - 1 for (event,) in cells for (kept,) in event]
        listed = [] if events is None or names is None else _image_ids(events, names)
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{file}: gt_list: expected per event and image the faces that count; found: {error}"
        ) from None
    if len(lists) != len(image_ids):
        raise ValueError(f"{file} has {len(lists)} images, expected {len(image_ids)} as in {FACES_FILE}")
    if other := next((pair for pair in zip(image_ids, listed, strict=False) if pair[0] != pair[1]), None):
        raise ValueError(f"{file}: file_list: expected {other[0]} as in {FACES_FILE}, found {other[1]}")
    flags = []
    for image_id, faces, kept in zip(image_ids, boxes, lists, strict=True):
        if kept.size and not (kept.min() >= 0 and kept.max() < len(faces)):
            raise ValueError(f"{file}: {image_id} keeps face {kept.max() + 1}, but it has {len(faces)} faces")
        counted = np.zeros(len(faces), bool)
        counted[kept] = True
        flags.append(counted)
    return tuple(flags)


def _image_ids(events: Any, names: Any) -> list[str]:
    return [f"{event[0]}/{name[0]}" for (event,), (rows,) in zip(events, names, strict=True) for (name,) in rows]
