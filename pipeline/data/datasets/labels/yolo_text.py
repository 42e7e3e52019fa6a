"""Faces in the text files of YOLO: ``data.yaml`` and, per image, rows ``class cx cy w h`` in shares of its sides.

Read line by line; PyYAML reads ``data.yaml``. ultralytics has a parser of its own, behind torch, OpenCV and a check of
every image, and drops bad files with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

import numpy as np
import yaml

from pipeline.data.datasets.entries import Entry
from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.form import Form, head_of
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.datasets.labels.yolo_layout import YoloLayout, image_name_of, label_path, read_layout
from pipeline.data.file_path import FilePath, path_below, read_all
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.text_lines import finite_numbers, refuse, stream_lines

_SLACK: Final = 0.05  # labels reach a little out of their image
_BESIDE: Final = (".jpg", ".png", ".jpeg")
_EXPECTED: Final = "class cx cy w h, or also five landmarks (x y visibility each): 5 or 20 numbers"


def read_yolo(path: FilePath, options: LabelOptions = EVERY, split: str | None = None) -> LabelTable:
    """Returns the faces of a folder, boxes as shares of their image; an image without a label file has no face.

    An image's name is its path without the folder ``images``, which its label file has as ``labels``. An image that a
    list of ``data.yaml`` names and that is not there comes last in the table, without a face. Landmarks
    (``kpt_shape: [5, 3]`` or ``[5, 2]``) are eyes, nose and mouth corners; a point that is not visible is none, and a
    face of which a point is missing has none.

    Args:
        path: the folder, or its ``data.yaml``; without one all images of the folder are read.
        options: the classes that are faces.
        split: "train", "val" or "test" of ``data.yaml``; None for all of them.

    Raises FileNotFoundError: no images, or no label file of any; ValueError: a malformed row; the message gives file,
    line, expected and found.
    """
    root, layout = read_layout(path)
    files = {each for each, _ in scan(root)}
    images, absent = _images(root, layout, files, split)
    builder, names = LabelTableBuilder(relative=True), list[str]()
    labelled = list[tuple[int, str]]()
    for image in images:
        name = image_name_of(image)
        if name in builder:
            raise ValueError(f"{root / image}: expected an image of another name than {name}, found two")
        names.append(image)
        position = builder.image(name)
        if (labels := label_path(image)) in files:
            labelled.append((position, labels))
    for image in absent:
        name = image_name_of(image)
        builder.image(image if name in builder else name)
    places = [root / labels for _, labels in labelled]
    for (position, _), place, data in zip(labelled, places, read_all(places), strict=True):
        _add(builder, position, place, layout, data)
    if not (used := {labels for _, labels in labelled}):
        raise FileNotFoundError(f"{root}: expected {label_path(images[0])} and the like beside the images, found none")
    texts = {label_path(image) for image in files if claims_to_be_image(image)}
    alone = sorted(each for each in files if each.endswith(".txt") and "labels/" in each and each not in texts)
    lines = [f"{len(alone)} label files belong to no image; the first is {alone[0]}"] if alone else []
    if (without := len(images) - len(used)) > 0:
        lines.append(f"{without} images have no label file, and are taken as images without a face")
    if absent:
        lines.append(f"{len(absent)} images of a list are not there, and have no face here; the first is {absent[0]}")
    return builder.build(root, options, lines, [*names, *absent])


def _images(
    root: FilePath, layout: YoloLayout, files: Collection[str], split: str | None
) -> tuple[list[str], list[str]]:
    """Returns the images of a split, and those that are listed and not there."""
    absent, images = list[str](), [each for each in files if claims_to_be_image(each)]
    if layout.splits:
        if split is not None and split not in layout.splits:
            raise ValueError(f"{layout.file}: expected {split}, found only {', '.join(layout.splits)}")
        chosen = [split] if split else list(layout.splits)
        listed = {path for each in chosen for path in layout.images(root, each, images)}
        images, absent = [each for each in images if each in listed], sorted(listed - set(images))
    elif split is not None:
        raise FileNotFoundError(f"{root}: expected data.yaml with {split}, found none")
    if absent and not images:
        raise FileNotFoundError(
            f"{layout.file}: expected images that are there, found none of the {len(absent)} in its lists; the first "
            f"is {absent[0]}"
        )
    if not images:
        raise FileNotFoundError(
            f"{root}: expected images with labels of YOLO, found none; boxes are shares of their sides: put images/ "
            "beside labels/"
        )
    return sorted(images), absent


def _add(builder: LabelTableBuilder, image: int, file: FilePath, layout: YoloLayout, data: bytes) -> None:
    """Adds the rows of one label file, which holds these bytes."""
    for line, text in stream_lines(file, data):
        if not text:
            continue
        if not (numbers := finite_numbers(text.split())):
            refuse(file, line, "class cx cy w h: five finite numbers", repr(text[:80]))
        category = layout.category(file, line, numbers)
        landmarks, count = None, len(numbers) - 5
        dims = layout.point_dims or (3 if count == 15 else 0)
        if count not in (0, 5 * dims):
            refuse(file, line, _row_advice(layout, count), repr(text[:80]))
        if count:
            landmarks = _landmarks(numbers[5:], dims)
        cx, cy, width, height = numbers[1:5]
        if not all(-_SLACK <= value <= 1 + _SLACK for value in numbers[1:5]):
            refuse(file, line, "cx cy w h as shares of the image's sides, 0 to 1", repr(text[:80]))
        box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
        builder.face(image, box, category, landmarks=landmarks)


def _row_advice(layout: YoloLayout, count: int) -> str:
    if count == 1:
        return f"{_EXPECTED} (six are a prediction with its confidence, no label)"
    if layout.points and layout.points != 5:
        return f"{_EXPECTED} (kpt_shape has {layout.points} points, no five landmarks)"
    return f"{_EXPECTED} (other counts are polygons or key points: export boxes)"


def _landmarks(numbers: Sequence[float], dims: int) -> list[float] | None:
    points = np.array(numbers).reshape(5, dims)
    absent = points[:, 2] <= 0 if dims == 3 else (points == 0).all(axis=1)
    return None if absent.any() else points[:, :2].ravel().tolist()


def write_yolo(table: LabelTable, folder: Path) -> Path:
    """Writes ``data.yaml`` and ``labels/<image>.txt``; landmarks as key points where there are some."""
    marked = table.landmarks is not None
    for position, name in enumerate(table.names):
        rows, size = table.rows(position), np.maximum(table.sizes[position].astype(np.float64), 1)
        file = folder / "labels" / PurePosixPath(name).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        boxes = table.boxes[rows].reshape(-1, 2, 2)
        shares = np.concatenate([boxes.mean(axis=1) / size, (boxes[:, 1] - boxes[:, 0]) / size], axis=1)
        lines = [" ".join(map(repr, each)) for each in shares.tolist()]
        marks = table.landmarks[rows] / size if table.landmarks is not None else [None] * len(lines)
        text = "".join(f"0 {line}{_points(each)}\n" for line, each in zip(lines, marks, strict=True))
        file.write_text(text, encoding="utf-8")
    content = {"path": ".", "train": "images", "val": "images", "names": {0: "face"}}
    points = {"kpt_shape": [5, 3], "flip_idx": [1, 0, 2, 4, 3]} if marked else {}
    (folder / "data.yaml").write_text(yaml.safe_dump({**content, **points}, sort_keys=False), encoding="utf-8")
    return folder


def _points(marks: np.ndarray | None) -> str:
    if marks is None:
        return ""
    if not np.isfinite(marks).all():
        return " 0 0 0" * 5
    return "".join(f" {x!r} {y!r} 2" for x, y in marks.tolist())


def _matches(path: FilePath) -> bool:
    if path.is_file():
        return "names:" in head_of(path, ".yaml", ".yml")
    if not path.is_dir():
        return False
    # "Annotations" and such folders inside would hold another form's files.
    if any(_matches(file) for pattern in ("*.yaml", "*.yml") for file in path.glob(pattern)):
        return True
    texts = (file for pattern in ("labels/*.txt", "labels/*/*.txt", "*/labels/*.txt") for file in path.glob(pattern))
    first = next(texts, None) or next((file for file in path.glob("*.txt") if _beside_image(file)), None)
    first = first or _deep_label(path)
    words = head_of(first, ".txt").split("\n")[0].split() if first else []
    return first is not None and (not words or (len(words) >= 5 and bool(finite_numbers(words))))


def _beside_image(file: FilePath) -> bool:
    return any(file.with_suffix(ending).is_file() for ending in _BESIDE)


def _deep_label(folder: FilePath) -> FilePath | None:
    """Returns a text that is the label file of an image by its path, at any depth; None where there is none."""
    files = {name for name, _ in scan(folder)}
    texts = {name for name in files if name.endswith(".txt")}
    images = (name for name in files if name.lower().endswith(_BESIDE)) if texts else ()
    return next((folder / label_path(name) for name in images if label_path(name) in texts), None)


class YoloText(LabelledFiles):
    """Your own labelled images in the folders of YOLO, see `read_yolo`.

    Attributes:
        split: "train", "val" or "test" of ``data.yaml``; None for all of them.
    """

    label_form: ClassVar[Form] = Form(
        words="YOLO text",
        matches=_matches,
        read=read_yolo,
        write=write_yolo,
        keeps_ignored=False,
        needs_sizes=True,
        keeps_landmarks=True,
    )

    split: str | None = None

    def read_labels(self, folder: FilePath, labels: FilePath) -> LabelTable:
        """Returns the faces of the split, as `LabelledFiles.read_labels`; paths are below the root of the dataset."""
        table = read_yolo(labels, self._options(), self.split)
        inside = path_below(labels if labels.is_dir() else labels.parent, folder)
        return replace(table, paths=tuple((inside / path).as_posix() for path in table.paths or ()))

    def _opened(self, folder: FilePath) -> Callable[[Entry], tuple[LabelTable, int]]:
        _, layout = read_layout(self.labels_path(folder))

        def one(entry: Entry) -> tuple[LabelTable, int]:
            builder = LabelTableBuilder(relative=True)
            image, labels = builder.image(entry.image_id), folder / label_path(entry.path)
            with suppress(FileNotFoundError):
                _add(builder, image, labels, layout, labels.read_bytes())
            return builder.build(labels, self._options(), strict=False).without_repeats(), 0

        return one
