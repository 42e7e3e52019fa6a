"""Your own labelled images: a COCO JSON file and the images it names."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
from pydantic import field_validator

from pipeline.data.datasets.dataset import Dataset, Entry, Reader, in_order
from pipeline.data.datasets.files import Labels, file_stamp, label_digest, present, read_sample, require_folder
from pipeline.data.datasets.wider_levels import height_levels
from pipeline.data.schemas import LEVELS


class CocoJson(Dataset):
    """Images and faces of a COCO JSON file: ``images`` (id, file_name) and ``annotations`` (image_id, bbox xywh).

    A face with ``iscrowd`` or ``ignore`` set counts in no subset; the others are graded by height (easy from 50 px,
    medium from 30, hard from 10). Key points, masks and sizes in the file are not read. The ``image_id`` is the
    ``file_name``.

    Attributes:
        annotation: the JSON file, relative to the root.
        images: folder of the images, relative to the root.
        category: name of the category whose boxes are faces; None takes every annotation.
        missing: "error" where listed images are absent, or "skip" to use those present.
    """

    levels: ClassVar[tuple[str, ...]] = LEVELS

    annotation: str = "annotations.json"
    images: str = ""
    category: str | None = None
    missing: Literal["error", "skip"] = "error"

    @field_validator("annotation", "images")
    @classmethod
    def _below_root(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{value!r} must be relative to the dataset's root")
        return value

    def entries(self, root: str) -> list[Entry]:
        """Returns the images of the JSON file, as `Dataset.entries`."""
        faces = self._read(root)
        paths = [self._path(name) for name in faces]
        stamps = {path: file_stamp(file.stat()) for path in paths if (file := Path(root, path)).is_file()}
        names = list(faces)
        return in_order(
            Entry(names[position], path, f"{stamp}:{label_digest(faces[names[position]].canonical())}")
            for position, path, stamp in present(paths, stamps, Path(root, self.annotation), self.missing)
        )

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; the JSON file is parsed once."""
        faces = self._read(root)
        return lambda entry: read_sample(root, entry.image_id, entry.path, faces[entry.image_id].labels())

    def image_bytes(self, root: str, sample_path: str) -> bytes:
        """Returns the file's bytes, as `Dataset.image_bytes`."""
        return (require_folder(root) / sample_path).read_bytes()

    def _path(self, name: str) -> str:
        return (PurePosixPath(self.images) / name).as_posix()

    def _read(self, root: str) -> dict[str, _Faces]:
        file = require_folder(root) / self.annotation
        if not file.is_file():
            raise FileNotFoundError(f"no annotation {file}")
        try:
            content = json.loads(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{file} is not JSON: {error}") from None
        return _parse(file, content, self.category)


@dataclass(frozen=True, slots=True)
class _Faces:
    xywh: list[list[float]]
    ignored: list[bool]

    def canonical(self) -> bytes:
        return json.dumps([self.xywh, self.ignored]).encode()

    def labels(self) -> Labels:
        xywh = np.array(self.xywh, np.float64).reshape(-1, 4)
        corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        return Labels(boxes=corners.astype(np.float32), levels=height_levels(xywh[:, 3], np.array(self.ignored, bool)))


def _parse(file: Path, content: Any, category: str | None) -> dict[str, _Faces]:
    if not isinstance(content, dict):
        _refuse(file, "$", "an object with images and annotations", content)
    names = _image_names(file, content)
    wanted = None if category is None else _category_id(file, content, category)
    faces = {name: _Faces([], []) for name in names.values()}
    for index, item in enumerate(_list(file, content, "annotations")):
        where = f"annotations[{index}]"
        if not isinstance(item, dict):
            _refuse(file, where, "an object", item)
        if wanted is not None and item.get("category_id") != wanted:
            continue
        image = item.get("image_id")
        if not isinstance(image, int | str) or image not in names:
            _refuse(file, f"{where}.image_id", "the id of one of the images", image)
        found = faces[names[image]]
        found.xywh.append(_box(file, f"{where}.bbox", item.get("bbox")))
        found.ignored.append(bool(item.get("iscrowd", 0)) or bool(item.get("ignore", 0)))
    return faces


def _image_names(file: Path, content: dict[str, Any]) -> dict[int | str, str]:
    names: dict[int | str, str] = {}
    for index, item in enumerate(_list(file, content, "images")):
        where = f"images[{index}]"
        if not isinstance(item, dict):
            _refuse(file, where, "an object", item)
        key, name = item.get("id"), item.get("file_name")
        if not isinstance(key, int | str) or key in names:
            _refuse(file, f"{where}.id", "a whole number or text that no other image has", key)
        if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute() or ".." in name.split("/"):
            _refuse(file, f"{where}.file_name", "a file name relative to the images", name)
        names[key] = name
    if len(set(names.values())) != len(names):
        double = next(name for name in names.values() if list(names.values()).count(name) > 1)
        _refuse(file, "images", "file names that differ", double)
    return names


def _category_id(file: Path, content: dict[str, Any], category: str) -> Any:
    known = {item.get("name"): item.get("id") for item in _list(file, content, "categories") if isinstance(item, dict)}
    if category not in known:
        _refuse(file, "categories", f"one named {category!r}", sorted(map(str, known)))
    return known[category]


def _list(file: Path, content: dict[str, Any], key: str) -> list[Any]:
    value = content.get(key)
    if not isinstance(value, list):
        _refuse(file, key, "a list", value)
    return value


def _box(file: Path, where: str, value: Any) -> list[float]:
    if not (isinstance(value, list) and len(value) == 4 and all(_finite(number) for number in value)):
        _refuse(file, where, "four finite numbers [x, y, width, height]", value)
    return [float(number) for number in value]


def _finite(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)


def _refuse(file: Path, where: str, expected: str, found: Any) -> NoReturn:
    shown = "nothing" if found is None else repr(found)[:80]
    raise ValueError(f"{file}: {where}: expected {expected}, found {shown}")
