"""The official WIDER FACE validation ground truth (four .mat files): all faces, and which of them count per subset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS

FACES_FILE: Final = "wider_face_val.mat"
LEVEL_FILES: Final = {level: f"wider_{level}_val.mat" for level in LEVELS}


@dataclass(frozen=True, slots=True)
class WiderGroundTruth:
    """The faces of a set of images and, per subset, which of them count (the others are ignored, not absent).

    Attributes:
        image_ids: "<event>/<name>" without ".jpg", in the order of the .mat file.
        boxes: per image float64 [F, 4], xyxy in pixels with x2 = x + w; zero and negative sizes are kept as published.
        counts: "easy" | "medium" | "hard" -> per image bool [F], whether the face counts in that subset.
    """

    image_ids: tuple[str, ...]
    boxes: tuple[NDArray[np.float64], ...]
    counts: Mapping[str, tuple[NDArray[np.bool_], ...]]

    def __post_init__(self) -> None:
        """Raises ValueError where an image or a face has no entry in one of the fields."""
        for name, column in (("boxes", self.boxes), *self.counts.items()):
            if len(column) != len(self.image_ids):
                raise ValueError(f"{name} has {len(column)} images, expected {len(self.image_ids)}")
        for level, column in self.counts.items():
            for image_id, faces, counted in zip(self.image_ids, self.boxes, column, strict=True):
                if faces.shape != (len(counted), 4):
                    raise ValueError(
                        f"{image_id}: boxes have shape {faces.shape}, expected ({len(counted)}, 4) as in {level}"
                    )

    def restrict(self, image_ids: Collection[str]) -> WiderGroundTruth:
        """Returns the ground truth of these images only, in this object's order.

        Raises:
            ValueError: an image is not known here; the message names the first ones.
        """
        wanted = set(image_ids)
        unknown = sorted(wanted - set(self.image_ids))
        if unknown:
            raise ValueError(f"{len(unknown)} images are not in the ground truth: {', '.join(unknown[:5])}")
        rows = [row for row, image_id in enumerate(self.image_ids) if image_id in wanted]
        return WiderGroundTruth(
            image_ids=tuple(self.image_ids[row] for row in rows),
            boxes=tuple(self.boxes[row] for row in rows),
            counts={level: tuple(column[row] for row in rows) for level, column in self.counts.items()},
        )


def ground_truth_of(samples: Iterable[Sample]) -> WiderGroundTruth:
    """Returns the ground truth that labelled samples carry in their own `levels`; a missing level counts every face."""
    rows = list(samples)
    return WiderGroundTruth(
        image_ids=tuple(sample.image_id for sample in rows),
        boxes=tuple(sample.boxes.astype(np.float64) for sample in rows),
        counts={
            level: tuple(sample.levels.get(level, np.ones(len(sample.boxes), bool)) for sample in rows)
            for level in LEVELS
        },
    )


def load_ground_truth(folder: Path) -> WiderGroundTruth:
    """Returns the ground truth of the four official files in a folder (about 0.1 s).

    Raises:
        FileNotFoundError: naming each .mat file that is not there.
        ValueError: a file does not have the official structure, or keeps a face that does not exist.
    """
    files = (FACES_FILE, *LEVEL_FILES.values())
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)}; the official ground truth is {', '.join(files)}")
    tables = _read(folder / FACES_FILE, "event_list", "file_list", "face_bbx_list")
    image_ids, boxes = [], []
    for (event,), (names,), (faces,) in zip(*tables, strict=True):
        for (name,), (xywh,) in zip(names, faces, strict=True):
            image_ids.append(f"{event[0]}/{name[0]}")
            boxes.append(_corners(xywh))
    counts = {level: _kept(folder / name, image_ids, boxes) for level, name in LEVEL_FILES.items()}
    return WiderGroundTruth(tuple(image_ids), tuple(boxes), counts)


def _read(file: Path, *names: str) -> list[NDArray[Any]]:
    import scipy.io  # 0.3 s that planning need not pay

    try:
        content = scipy.io.loadmat(file, variable_names=names)
        return [content[name] for name in names]
    except KeyError as error:
        raise ValueError(f"{file} has no variable {error}") from error
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise ValueError(f"{file} cannot be read as a MATLAB file: {error}") from error


def _corners(xywh: NDArray[Any]) -> NDArray[np.float64]:
    boxes = np.array(xywh, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _kept(file: Path, image_ids: list[str], boxes: list[NDArray[np.float64]]) -> tuple[NDArray[np.bool_], ...]:
    # The positions are 1-based and uint8 (uint16 in big images): widened before anything is subtracted.
    lists = [kept.astype(np.int64).ravel() - 1 for (event,) in _read(file, "gt_list")[0] for (kept,) in event]
    if len(lists) != len(image_ids):
        raise ValueError(f"{file} has {len(lists)} images, expected {len(image_ids)} as in {FACES_FILE}")
    flags = []
    for image_id, faces, kept in zip(image_ids, boxes, lists, strict=True):
        if kept.size and not (kept.min() >= 0 and kept.max() < len(faces)):
            raise ValueError(f"{file}: {image_id} keeps face {kept.max() + 1}, but it has {len(faces)} faces")
        counted = np.zeros(len(faces), bool)
        counted[kept] = True
        flags.append(counted)
    return tuple(flags)
