"""Reading and checking a COCO JSON file, element by element: images, categories, boxes and flags.

The file is parsed three times, for its sections come in any order: 72 MB with 100,000 images and 500,000 boxes take
2.6 s of ijson. pycocotools and faster-coco-eval load the whole file by json.load, and check none of it.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final, Literal, NoReturn, TypeGuard

import numpy as np

from pipeline.data.datasets.dataset import set_option
from pipeline.data.datasets.labels.json_array import stream_array, value_at
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder, image_name
from pipeline.data.file_path import FilePath
from pipeline.data.object_path import ObjectPath

LARGEST: Final = 2**24
"""Pixels; above it float32 has no longer every whole number."""

_FLAGS: Final = {"0": False, "false": False, "1": True, "true": True}

BoxForm = Literal["xywh", "corners", "centre"]


@dataclass(frozen=True, slots=True)
class CocoNumbers:
    """What the numbers of a file mean.

    Attributes:
        form: of a box: "xywh" as COCO has it, "corners" (x1, y1, x2, y2) or "centre" (and width and height).
        relative: whether boxes and key points are shares of the image's sides.
        sized: whether invalid sizes of images are refused; else they are unknown.
    """

    form: BoxForm = "xywh"
    relative: bool = False
    sized: bool = True


AS_COCO: Final = CocoNumbers()
"""As the format's own definition has them."""


def read_coco(file: FilePath, options: LabelOptions = EVERY, numbers: CocoNumbers = AS_COCO) -> LabelTable:
    """Returns the faces of a file, those with ``iscrowd`` or ``ignore`` as ignored ones; with crowds, areas and ids.

    Raises OSError: the file cannot be read; ValueError: it is not COCO JSON or contradicts itself; the message gives
    file, field, expected and found.
    """
    return _Reader(file, options, numbers).read()


class _Reader:
    """One reading of one file."""

    def __init__(self, file: FilePath, options: LabelOptions, numbers: CocoNumbers) -> None:
        self._file, self._options, self._numbers = file, options, numbers
        self._data = file.read_bytes() if isinstance(file, ObjectPath) else None  # fetched once
        self._builder = LabelTableBuilder(numbers.relative)
        self._images: dict[int | str, int] = {}  # id -> position
        self._ids = array("q")  # of the annotations, where they are whole numbers
        self._areas = _AreaCheck()

    def read(self) -> LabelTable:
        names = self._categories()
        self._add_images()
        for where, item in self._objects("annotations"):
            self._add_face(where, item, names)
        if self._numbers.form != "corners" and (found := self._areas.as_corners()):
            advice = f"; {set_option('form', 'corners')} reads them so"
            self._refuse("annotations[*].bbox", "[x, y, width, height] of the area beside it", found, advice)
        table = self._builder.build(self._file, self._options)
        return replace(table, remarks=tuple(self._remarks(table, names)), ids=tuple(self._images))

    def _categories(self) -> dict[int | str, str]:
        """Returns id -> name."""
        known: dict[int | str, str] = {}
        for where, item in self._objects("categories", required=False):
            key, name = self._new_key(where, item, known, "category"), item.get("name")
            if not isinstance(name, str):
                self._refuse(f"{where}.name", "text", _shown(name))
            known[key] = name
        for name in self._options.category:
            if known and name not in known.values():
                self._refuse("categories", f"one named {name!r}", str(sorted(known.values())))
        return known

    def _add_images(self) -> None:
        for where, item in self._objects("images"):
            text = item.get("file_name")
            key = self._new_key(where, item, self._images, "image")
            name = image_name(text) if isinstance(text, str) else ""
            # The path on another machine is found by its end, see `locate_images`.
            if name in ("", ".") or ".." in PurePosixPath(name).parts:
                self._refuse(f"{where}.file_name", "a file name relative to the images", _shown(text))
            if name in self._builder:
                before = self._builder.image(name)
                self._refuse(f"{where}.file_name", f"another file than images[{before}].file_name", _shown(text))
            self._images[key] = self._builder.image(name, self._size(where, item))
        if not self._images:
            self._refuse("images", "at least one image", "none")

    def _size(self, where: str, item: Mapping[str, Any]) -> tuple[int, int]:
        sides = {side: item.get(side) for side in ("width", "height")}
        if not all(sides.values()):  # absent, or 0 as some programs write for unknown
            return 0, 0
        for name, side in sides.items():
            if not _is_number(side) or side != int(side) or not 0 < side <= LARGEST:
                if not self._numbers.sized:
                    return 0, 0
                advice = f"; {set_option('sizes', 'ignore')} skips this check"
                self._refuse(f"{where}.{name}", "a number of pixels", _shown(side), advice)
        return int(sides["width"]), int(sides["height"])  # type: ignore[arg-type]

    def _add_face(self, where: str, item: Mapping[str, Any], names: Mapping[int | str, str]) -> None:
        key, image, box, area = item.get("category_id"), item.get("image_id"), item.get("bbox"), item.get("area")
        if key is not None and (not _is_key(key) or (names and key not in names)):
            self._refuse(f"{where}.category_id", f"the id of a category, one of {list(names)}", _shown(key))
        category = "" if key is None else names.get(key, str(key))
        if self._options.category and category not in self._options.category:
            self._builder.leave_out(category)
            return
        if not _is_key(image) or image not in self._images:
            self._refuse(f"{where}.image_id", "the id of one of the images", _shown(image))
        crowd, ignored = self._flag(where, item, "iscrowd"), self._flag(where, item, "ignore")
        if not _are_numbers(box):
            expected = f"four finite numbers [x, y, width, height] of at most {LARGEST}"
            self._refuse(f"{where}.bbox", expected, _shown(box))
        area = area if _is_number(area) else None
        self._areas.add(area, box)
        if isinstance(item.get("id"), int) and abs(item["id"]) < 2**63:
            self._ids.append(item["id"])
        landmarks = self._landmarks(where, item.get("keypoints"))
        corners = _corners(self._numbers.form, box)
        self._builder.face(self._images[image], corners, category, crowd or ignored, landmarks, crowd, area)

    def _landmarks(self, where: str, points: Any) -> list[float] | None:
        """Returns the x, y of five key points; None where there are others, or one of them is not labelled (v = 0)."""
        if not isinstance(points, list) or len(points) != 15:
            return None
        if not all(map(_is_number, points)):
            self._refuse(f"{where}.keypoints", "five times x, y, visibility", _shown(points))
        if 0 in points[2::3]:
            return None
        return [float(number) for row in range(0, 15, 3) for number in points[row : row + 2]]

    def _remarks(self, table: LabelTable, names: Mapping[int | str, str]) -> Iterator[str]:
        used = [name for name, count in table.categories.items() if count]
        alike = Counter(names.values())
        faces = not used or used[0] not in alike or re.search("face|head", used[0], re.IGNORECASE)
        if not self._options.category and not faces:
            yield f"all {len(table.boxes)} boxes are of category {used[0]!r} and are taken as faces"
        for name in self._options.category:
            if alike[name] > 1:
                yield f"{alike[name]} categories are named {name!r}; the boxes of all count"
        ids, times = np.unique(np.array(self._ids, np.int64), return_counts=True)
        if (times > 1).any():
            first = int(ids[times > 1][0])
            yield f"{self._file}: annotations[*].id: {first} comes more than once, which changes nothing"

    def _flag(self, where: str, item: Mapping[str, Any], name: str) -> bool:
        value = item.get(name)
        if value is None:
            return False
        text = value.strip().lower() if isinstance(value, str) else value
        if text not in (0, 1, *_FLAGS):
            self._refuse(f"{where}.{name}", "0 or 1", _shown(value))
        return _FLAGS[text] if isinstance(text, str) else bool(text)

    def _new_key(self, where: str, item: Mapping[str, Any], known: Collection[Any], what: str) -> int | str:
        key = item.get("id")
        if not _is_key(key) or key in known:
            self._refuse(f"{where}.id", f"a whole number or text that no other {what} has", _shown(key))
        return key

    def _objects(self, name: str, required: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields place and content of every object of a list; only a required one may not be absent."""
        index = -1
        for index, value in enumerate(stream_array(self._file, name, self._data)):
            if not isinstance(value, dict):
                self._refuse(f"{name}[{index}]", "an object", _shown(value))
            yield f"{name}[{index}]", value
        if index < 0:
            value = value_at(self._file, name, self._data)
            if not isinstance(value, list) and (required or value is not None):
                self._refuse(name, "a list", _shown(value))

    def _refuse(self, where: str, expected: str, found: str, advice: str = "") -> NoReturn:
        raise ValueError(f"{self._file}: {where}: expected {expected}, found {found}{advice}")


class _AreaCheck:
    """Whether the areas beside the boxes show that these are corners: images are not read yet."""

    def __init__(self) -> None:
        self._boxes, self._as_sizes, self._as_corners = 0, 0, 0
        self._first = ""

    def add(self, area: float | None, box: list[float]) -> None:
        """Counts a box as it is written, and the area beside it."""
        if area is None or area <= 0:
            return
        x, y, third, fourth = box
        self._first = self._first or f"{box} with area {area:g}, which is that of [x1, y1, x2, y2]"
        self._boxes += 1
        self._as_sizes += _close(area, third * fourth)
        self._as_corners += third > x and fourth > y and _close(area, (third - x) * (fourth - y))

    def as_corners(self) -> str | None:
        """Returns the first box, in words, where nearly all are corners; else None."""
        corners = self._as_corners >= 0.99 * self._boxes and self._as_sizes < 0.5 * self._boxes
        return self._first if self._boxes and corners else None


def _close(area: float, other: float) -> bool:
    return math.isclose(area, other, rel_tol=0.02, abs_tol=1)


def _corners(form: BoxForm, box: list[float]) -> tuple[float, float, float, float]:
    """Returns xyxy of a box as it is written."""
    x, y, width, height = map(float, box)
    if form == "corners":
        return x, y, width, height
    if form == "centre":
        x, y = x - width / 2, y - height / 2
    return x, y, x + width, y + height


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]


def _is_key(value: Any) -> TypeGuard[int | str]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _are_numbers(value: Any) -> TypeGuard[list[float]]:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))
