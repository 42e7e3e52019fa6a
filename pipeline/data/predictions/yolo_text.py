"""Predictions as YOLO saves them: per image a text of rows ``class cx cy w h confidence``, in shares of its size.

A text is named after its image, and is absent where nothing was found. Key points between box and confidence (five of
two or three numbers) are skipped. The sizes of the images come from labels or from the images themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.prediction_files import Member, members
from pipeline.data.image_names import without_ending
from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.row_batch import RowBatch
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder, require_category
from pipeline.data.text_lines import finite_numbers, refuse

_BOX: Final = "class cx cy w h"
_ROWS: Final = {
    6: f"{_BOX} confidence",
    16: f"{_BOX} {' '.join(['x y'] * 5)} confidence",
    21: f"{_BOX} {' '.join(['x y v'] * 5)} confidence",
}
_LARGEST: Final = 4.0  # share of a side that a centre or a width may still be: detectors leave the image


def read_yolo_predictions(path: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a folder or archive, boxes as shares; a folder ``labels`` is no part of a name.

    Raises OSError: something cannot be read; ValueError: a row of another form, detections of several classes and none
    is chosen, or an image that comes twice; the message gives file, line, expected and found.
    """
    reader = _Reader(path, options.category)
    for member in members(path, []):
        reader.add(member)
    return reader.table()


class _Reader:
    def __init__(self, path: Path, category: str | None) -> None:
        self._path, self._category = path, category
        self._builder, self._classes = PredictionTableBuilder(relative=True), Counter[str]()
        self._lines = dict[int, tuple[str, Sequence[int]]]()  # image -> its file, and the numbers of its lines
        self._batches = {count: RowBatch(columns, self._take) for count, columns in _ROWS.items()}

    def add(self, member: Member) -> None:
        name, file = _image(member), f"{self._path}/{member.name}"
        if name in self._builder:
            raise ValueError(f"{self._path}: expected one text of each image, found a second one: {member.name}")
        image = self._builder.image(name)
        numbers, lines = _numbered_lines(member.read().removeprefix(b"\xef\xbb\xbf"))
        self._lines[image] = file, numbers
        if not lines:
            return
        count = len(lines[0].split())
        if count not in self._batches:
            advice = " (five are a label: save_conf=True writes the confidence)" if count == 5 else ""
            refuse(file, numbers[0], f"six numbers {_ROWS[6]}{advice}", repr(lines[0].decode("utf-8", "replace")[:80]))
        self._batches[count].add(image, file, numbers, lines)

    def _take(self, images: NDArray[np.int64], rows: NDArray[np.float64]) -> None:
        wrong = np.flatnonzero((np.abs(rows[:, 1:5]) > _LARGEST).any(axis=1) | (rows[:, 0] != np.round(rows[:, 0])))
        if len(wrong):
            found = " ".join(f"{value:g}" for value in rows[wrong[0]])
            file, numbers = self._lines[int(images[wrong[0]])]
            line = numbers[wrong[0] - int(np.argmax(images == images[wrong[0]]))]
            refuse(file, line, "a whole class and cx cy w h as shares of the image's sides, 0 to 1", repr(found))
        classes, counts = np.unique(rows[:, 0].astype(np.int64), return_counts=True)
        self._classes.update(dict(zip(map(str, classes.tolist()), counts.tolist(), strict=True)))
        if self._category is not None and self._category.isdecimal():
            chosen = rows[:, 0] == int(self._category)
            images, rows = images[chosen], rows[chosen]
        half = rows[:, 3:5] / 2
        corners = np.concatenate([rows[:, 1:3] - half, rows[:, 1:3] + half], axis=1)
        self._builder.add(images, corners, rows[:, -1].copy())

    def table(self) -> PredictionTable:
        for batch in self._batches.values():
            batch.parse()
        if not self._lines:
            raise FileNotFoundError(f"{self._path}: expected a text of each image with detections, found no .txt")
        require_category(self._path, self._classes, self._category)
        return self._builder.build()


def _numbered_lines(data: bytes) -> tuple[Sequence[int], list[bytes]]:
    """Returns the lines that are not blank, and their numbers from 1."""
    lines = data.splitlines()
    kept = [line for line in lines if line.strip()]
    if len(kept) == len(lines):  # a range takes no memory, and files without blank lines are the rule
        return range(1, len(lines) + 1), kept
    return [number for number, line in enumerate(lines, start=1) if line.strip()], kept


def _image(member: Member) -> str:
    """Returns the path of a text without its last folder ``labels``."""
    parts = list(PurePosixPath(member.image).parts)
    if place := next((place for place in range(len(parts) - 2, -1, -1) if parts[place] == "labels"), -1) + 1:
        del parts[place - 1]
    return "/".join(parts)


def write_yolo_predictions(table: PredictionTable, folder: Path, options: WriteOptions) -> list[str]:
    """Writes ``labels/<name>.txt`` of each image, an empty one where it has no box."""
    sizes = dict(zip(table.names, table.sizes.tolist(), strict=True))
    for name, boxes, scores in table.by_image():
        file = folder / "labels" / f"{without_ending(name)}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        corners = boxes.reshape(-1, 2, 2)
        size = np.maximum(np.array(sizes[name], np.float64), 1)
        shares = np.concatenate([corners.mean(axis=1) / size, (corners[:, 1] - corners[:, 0]) / size], axis=1)
        rows = zip(shares.tolist(), scores.tolist(), strict=True)
        file.write_text("".join(f"0 {' '.join(map(repr, box))} {score!r}\n" for box, score in rows), encoding="utf-8")
    return []


def _matches(contents: Contents) -> bool:
    if contents.single or not contents.heads:
        return False
    return any(lines and all(_is_row(line) for line in lines[:3]) for lines in contents.lines())


def _is_row(line: str) -> bool:
    numbers = finite_numbers(line.split())
    return len(numbers) in (5, *_ROWS) and numbers[0] == int(numbers[0])


YOLO: Final = PredictionForm(
    words="YOLO text with confidences",
    layout="cx cy w h",
    matches=_matches,
    read=read_yolo_predictions,
    write=write_yolo_predictions,
    folder=True,
    text_per_image=True,
    has_classes=True,
    names_empty=False,
    needs_sizes=True,
)
