"""Detections in the form of FDDB's own tool: per image a name, a count and rows ``x y w h score``.

All images are in one file, or those of each fold in a file ``fold-XX-out.txt`` of one folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.data.datasets.fddb.annotation import FddbLabels
from pipeline.data.datasets.fddb.blocks import read_blocks
from pipeline.data.image_names import NameIndex
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.text_lines import refuse

COLUMNS: Final = "x y w h score"


@dataclass(frozen=True, slots=True)
class ListedDetections:
    """Detections of files, and how their images fit those that are wanted."""

    predictions: PredictionSet  # in the order of the wanted images, boxes xyxy with x2 = x + w
    missing: tuple[str, ...]  # wanted images that no file names: they have no detections
    extra: tuple[str, ...]  # names that belong to no wanted image; their rows are left out


def read_fddb_detections(source: Path, image_ids: tuple[str, ...]) -> ListedDetections:
    """Returns the detections of one list, or of the ``fold-XX-out.txt`` of a folder, images in any order.

    Args:
        source: file or folder.
        image_ids: the wanted images.

    Raises FileNotFoundError: there is no list; ValueError: a malformed line or an image that comes twice; the message
    gives file, line, expected and found.
    """
    names, extra = NameIndex(image_ids), []
    found: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]] = {}
    for file in _files(source):
        for block in read_blocks(file, COLUMNS):
            image_id = names.find(block.name)
            if image_id is None:
                extra.append(block.name)
            elif image_id in found:
                refuse(file, block.line, "an image that comes once", f"{block.name} again")
            else:
                found[image_id] = block.rows
    tables = [found.get(image_id, np.zeros((0, 5))) for image_id in image_ids]
    rows = np.concatenate([np.zeros((0, 5)), *tables])
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
    corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    predictions = PredictionSet(image_ids, offsets, corners, rows[:, 4].copy())
    missing = tuple(image_id for image_id in image_ids if image_id not in found)
    return ListedDetections(predictions, missing, tuple(extra))


def write_fddb_detections(predictions: PredictionSet, labels: FddbLabels, target: Path) -> list[Path]:
    """Writes detections in the order of the folds; the single precision numbers of a dump read back as the same.

    Args:
        predictions: an image without any has a count of 0.
        labels: the folds.
        target: a ``.txt`` for one list, or a folder, made if absent, for one ``fold-XX-out.txt`` each.

    Returns:
        The files.
    """
    texts = {fold: _text(predictions.select(images)) for fold, images in labels.folds.items()}
    if target.suffix == ".txt":
        target.write_text("".join(texts.values()), encoding="utf-8")
        return [target]
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for fold, text in texts.items():
        files.append(target / f"fold-{fold}-out.txt")
        files[-1].write_text(text, encoding="utf-8")
    return files


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted(source.glob("fold-*-out.txt")) if source.is_dir() else []
    if not files:
        expected = "one list, or a folder of fold-XX-out.txt"
        raise FileNotFoundError(f"no detections at {source}: expected {expected}")
    return files


def _text(predictions: PredictionSet) -> str:
    lines = []
    for image_id, (boxes, scores) in predictions.falling().by_image():
        lines += [image_id, str(len(scores))]
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True):
            lines.append(f"{x1!r} {y1!r} {x2 - x1!r} {y2 - y1!r} {score!r}")
    return "".join(f"{line}\n" for line in lines)
