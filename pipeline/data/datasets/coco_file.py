"""A COCO JSON file, read and held against itself: what it says of images, categories, boxes and flags."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, NoReturn, TypeGuard

from pipeline.data.datasets.dataset import setting
from pipeline.engine.file_kind import file_kind

LARGEST: Final = 2**24
"""Pixels; beyond it a float32 no longer tells one from the next."""

_FLAGS: Final = {"0": False, "false": False, "1": True, "true": True}


@dataclass(slots=True)
class CocoImage:
    """What the file says of one image.

    Attributes:
        size: width and height, or None where it does not tell.
        boxes: four numbers each, as they stand there.
        ignored: per box, whether it counts nowhere.
    """

    size: tuple[int, int] | None
    boxes: list[list[float]] = field(default_factory=list)
    ignored: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What the file says.

    Attributes:
        images: file name -> what is said of it, in the file's order.
        remarks: what is odd, one line each.
    """

    images: Mapping[str, CocoImage]
    remarks: tuple[str, ...]


def read_coco(file: Path, category: tuple[str, ...], sized: bool, corners: bool) -> CocoFile:
    """Returns the images of a file with the boxes of some categories; read once as long as it does not change.

    Args:
        file: JSON.
        category: names of the categories whose boxes are faces; empty where all boxes are of one.
        sized: read the sizes of images, and refuse what is none.
        corners: boxes are known to be corners.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not COCO JSON or contradicts itself; the message names field, expected and found.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no annotation {file}")
    stat = file.stat()
    return _read(file, category, sized, corners, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=4)
def _read(file: Path, category: tuple[str, ...], sized: bool, corners: bool, version: tuple[int, int]) -> CocoFile:
    # Planning, reading and judging in one process parse once; `version` makes a changed file a new entry.
    data = file.read_bytes()
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        found = "" if (kind := file_kind(data)) == "JSON text" else f" but {kind}"
        raise ValueError(f"{file} is not JSON{found}: {error}") from None
    if not isinstance(content, dict):
        _refuse(file, "$", "an object with images and annotations", _shown(content))
    return _Parser(file, content, category, sized, corners).parse()


class _Parser:
    def __init__(
        self, file: Path, content: dict[str, Any], category: tuple[str, ...], sized: bool, corners: bool
    ) -> None:
        self._file, self._content, self._category = file, content, category
        self._sized, self._corners = sized, corners

    def parse(self) -> CocoFile:
        names, images = self._images()
        annotations = self._list("annotations")
        for index, item in enumerate(annotations):
            if not isinstance(item, dict):
                self._refuse(f"annotations[{index}]", "an object", _shown(item))
        wanted, remarks = self._wanted(annotations)
        self._check_corners(annotations)
        repeated = 0
        seen: dict[tuple[str, float, float, float, float], int] = {}
        for index, item in enumerate(annotations):
            if wanted is not None and item.get("category_id") not in wanted:
                continue
            where = f"annotations[{index}]"
            name, box, ignored = self._annotation(where, item, names)
            image = images[name]
            # The same box twice is one face: the second could never be found.
            if (place := seen.setdefault((name, *box), len(image.boxes))) < len(image.boxes):
                repeated += 1
                image.ignored[place] &= ignored
                continue
            image.boxes.append(list(box))
            image.ignored.append(ignored)
        if repeated:
            remarks.append(f"{repeated} boxes repeat another one of their image exactly; each counts once")
        if double := _first_double([item["id"] for item in annotations if isinstance(item.get("id"), int | str)]):
            remarks.append(f"{self._file}: annotations[*].id: {double!r} comes more than once, which changes nothing")
        return CocoFile(images, tuple(remarks))

    def _annotation(
        self, where: str, item: Mapping[str, Any], names: Mapping[int | str, str]
    ) -> tuple[str, tuple[float, float, float, float], bool]:
        image = item.get("image_id")
        if not _is_key(image) or image not in names:
            self._refuse(f"{where}.image_id", "the id of one of the images", _shown(image))
        crowd = self._flag(f"{where}.iscrowd", item.get("iscrowd"))
        ignore = self._flag(f"{where}.ignore", item.get("ignore"))
        return names[image], self._box(f"{where}.bbox", item.get("bbox")), crowd or ignore

    def _images(self) -> tuple[dict[int | str, str], dict[str, CocoImage]]:
        names: dict[int | str, str] = {}
        images: dict[str, CocoImage] = {}
        paths: dict[str, int] = {}
        for index, item in enumerate(self._list("images")):
            where = f"images[{index}]"
            if not isinstance(item, dict):
                self._refuse(where, "an object", _shown(item))
            key, name = item.get("id"), item.get("file_name")
            if not _is_key(key) or key in names:
                self._refuse(f"{where}.id", "a whole number or text that no other image has", _shown(key))
            if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute() or ".." in name.split("/"):
                self._refuse(f"{where}.file_name", "a file name relative to the images", _shown(name))
            path = PurePosixPath(name).as_posix()
            if (before := paths.setdefault(path, index)) != index:
                self._refuse(f"{where}.file_name", f"another file than images[{before}].file_name", _shown(name))
            names[key] = name
            images[name] = CocoImage(self._size(where, item) if self._sized else None)
        if not names:
            self._refuse("images", "at least one image", "none")
        return names, images

    def _size(self, where: str, item: Mapping[str, Any]) -> tuple[int, int] | None:
        sides = [item.get(side) for side in ("width", "height")]
        if not all(sides):  # left out, or 0 as some programs write where they do not know
            return None
        pixels = []
        for name, side in zip(("width", "height"), sides, strict=True):
            if not _is_number(side) or side != int(side) or not 0 < side <= LARGEST:
                advice = f"; {setting('sizes', 'ignore')} does not look"
                self._refuse(f"{where}.{name}", "a number of pixels", _shown(side), advice)
            pixels.append(int(side))
        return pixels[0], pixels[1]

    def _wanted(self, annotations: list[dict[str, Any]]) -> tuple[set[Any] | None, list[str]]:
        """Returns the ids of the categories whose boxes are faces, or None for all; and what is odd about them."""
        known = self._categories()
        boxes = Counter(self._category_of(index, item, known) for index, item in enumerate(annotations))
        by_name: dict[str, list[Any]] = {}
        for key in dict.fromkeys([*known, *boxes]):
            by_name.setdefault(known.get(key, "none" if key is None else str(key)), []).append(key)
        counts = {name: sum(boxes[key] for key in keys) for name, keys in by_name.items()}
        used = [name for name, count in counts.items() if count]
        shown = ", ".join(f"{name!r} ({counts[name]})" for name in used)
        if not self._category:
            if len(used) > 1:
                best = min(used, key=lambda name: (name.lower() != "face", "face" not in name.lower()))
                every = setting("category", f"[{', '.join(used)}]")
                advice = f"; {setting('category', best)} takes one, {every} all of them"
                self._refuse("annotations[*].category_id", "boxes of one category", shown, advice)
            taken = f"all {len(annotations)} boxes are of category {shown} and are taken as faces"
            plain = not used or used[0] not in known.values() or re.search("face|head", used[0], re.IGNORECASE)
            return None, [] if plain else [taken]
        for name in self._category:
            if name not in by_name:
                self._refuse("categories", f"one named {name!r}", str(sorted(by_name)))
            if annotations and not counts[name]:
                self._refuse("annotations[*].category_id", f"boxes of category {name!r}", shown)
        wanted = {key for name in self._category for key in by_name[name]}
        alike = [name for name in self._category if len(by_name[name]) > 1]
        return wanted, [f"{len(by_name[name])} categories are named {name!r}; the boxes of all count" for name in alike]

    def _categories(self) -> dict[Any, str]:
        if self._content.get("categories") is None:
            return {}
        known: dict[Any, str] = {}
        for index, item in enumerate(self._list("categories")):
            if not isinstance(item, dict):
                self._refuse(f"categories[{index}]", "an object", _shown(item))
            key, name = item.get("id"), item.get("name")
            if not _is_key(key) or key in known:
                self._refuse(
                    f"categories[{index}].id", "a whole number or text that no other category has", _shown(key)
                )
            if not isinstance(name, str):
                self._refuse(f"categories[{index}].name", "text", _shown(name))
            known[key] = name
        return known

    def _category_of(self, index: int, item: Mapping[str, Any], known: Mapping[Any, str]) -> Any:
        key = item.get("category_id")
        if key is not None and (not _is_key(key) or (known and key not in known)):
            self._refuse(
                f"annotations[{index}].category_id", f"the id of a category, one of {list(known)}", _shown(key)
            )
        return key

    def _check_corners(self, annotations: list[dict[str, Any]]) -> None:
        """Refuses boxes whose own areas say that they are corners: there are no images to ask yet."""
        told = [item for item in annotations if _is_number(item.get("area")) and item["area"] > 0]
        boxes = [(item["area"], *item["bbox"]) for item in told if _are_numbers(item.get("bbox"))]
        as_sizes = sum(math.isclose(area, w * h, rel_tol=0.02, abs_tol=1) for area, _, _, w, h in boxes)
        as_corners = sum(
            x2 > x1 and y2 > y1 and math.isclose(area, (x2 - x1) * (y2 - y1), rel_tol=0.02, abs_tol=1)
            for area, x1, y1, x2, y2 in boxes
        )
        if boxes and as_corners >= 0.99 * len(boxes) and as_sizes < 0.5 * len(boxes) and not self._corners:
            area, *box = boxes[0]
            advice = f"; {setting('form', 'corners')} reads them so"
            found = f"{box} with area {area:g}, which is that of [x1, y1, x2, y2]"
            self._refuse("annotations[*].bbox", "[x, y, width, height] of the area beside it", found, advice)

    def _flag(self, where: str, value: Any) -> bool:
        if value is None:
            return False
        text = value.strip().lower() if isinstance(value, str) else value
        if text not in (0, 1, *_FLAGS):
            self._refuse(where, "0 or 1", _shown(value))
        return _FLAGS[text] if isinstance(text, str) else bool(text)

    def _box(self, where: str, value: Any) -> tuple[float, float, float, float]:
        if not _are_numbers(value):
            self._refuse(where, f"four finite numbers [x, y, width, height] of at most {LARGEST}", _shown(value))
        x, y, width, height = value
        return float(x), float(y), float(width), float(height)

    def _list(self, key: str) -> list[Any]:
        value = self._content.get(key)
        if not isinstance(value, list):
            self._refuse(key, "a list", _shown(value))
        return value

    def _refuse(self, where: str, expected: str, found: str, advice: str = "") -> NoReturn:
        _refuse(self._file, where, expected, found, advice)


def _refuse(file: Path, where: str, expected: str, found: str, advice: str = "") -> NoReturn:
    raise ValueError(f"{file}: {where}: expected {expected}, found {found}{advice}")


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]


def _is_key(value: Any) -> TypeGuard[int | str]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _first_double(keys: Collection[Any]) -> Any:
    return next((key for key, times in Counter(keys).items() if times > 1), None)
