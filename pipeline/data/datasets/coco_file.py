"""Reading and checking a COCO JSON file: images, categories, boxes and flags."""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, NoReturn, TypeGuard

from pipeline.data.datasets.dataset import set_option
from pipeline.engine.file_kind import file_kind

LARGEST: Final = 2**24
"""Pixels; above it float32 has no longer every whole number."""

_FLAGS: Final = {"0": False, "false": False, "1": True, "true": True}


@dataclass(slots=True)
class CocoImage:
    """One image of the file."""

    size: tuple[int, int] | None  # width and height, or None where the file has none
    boxes: list[list[float]] = field(default_factory=list)  # four numbers each, as in the file
    ignored: list[bool] = field(default_factory=list)  # per box, whether it counts nowhere
    crowds: list[bool] = field(default_factory=list)  # per box, whether it is a group
    areas: list[float] = field(default_factory=list)  # per box, square pixels of the face or, without, of the box
    landmarks: list[list[float] | None] = field(default_factory=list)  # per box, five x, y as in the file, or None


@dataclass(frozen=True, slots=True)
class CocoFile:
    """The images of a file by name, in its order, and remarks on oddities, one line each."""

    images: Mapping[str, CocoImage]
    names: Mapping[int | str, str]  # id -> image
    remarks: tuple[str, ...]


# Planning, reading and reviewing in one process parse once.
@lru_cache(maxsize=4)
def read_coco(file: Path, category: tuple[str, ...], sized: bool, corners: bool, version: str) -> CocoFile:
    """Returns the images of a file with the boxes of some categories; parsed once as long as it does not change.

    Args:
        file: JSON.
        category: names of the categories whose boxes are faces; empty where all boxes are of one.
        sized: read the sizes of images, and refuse invalid ones.
        corners: boxes are known to be corners.
        version: of the file; another one is parsed again.

    Raises ValueError: it is not COCO JSON or contradicts itself; the message names field, expected and found.
    """
    data = file.read_bytes()
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        found = "" if (kind := file_kind(data)) == "JSON text" else f" but {kind}"
        raise ValueError(f"{file} is not JSON{found}: {error}") from None
    return _Parser(file, content, category, sized, corners).parse()


class _Parser:
    def __init__(self, file: Path, content: Any, category: tuple[str, ...], sized: bool, corners: bool) -> None:
        self._file, self._category, self._sized, self._corners = file, category, sized, corners
        if not isinstance(content, dict):
            self._refuse("$", "an object with images and annotations", _shown(content))
        self._content: dict[str, Any] = content

    def parse(self) -> CocoFile:
        names, images = self._images()
        annotations = self._objects("annotations")
        wanted, remarks = self._wanted(annotations)
        self._check_corners(annotations)
        repeated = 0
        seen: dict[tuple[str, float, float, float, float], int] = {}
        for index, item in enumerate(annotations):
            if wanted is not None and item.get("category_id") not in wanted:
                continue
            name, box, (crowd, ignored) = self._annotation(f"annotations[{index}]", item, names)
            image, landmarks = images[name], self._landmarks(f"annotations[{index}].keypoints", item.get("keypoints"))
            # The same box twice is one face: the second could never be found.
            if (row := seen.setdefault((name, *box), len(image.boxes))) < len(image.boxes):
                repeated += 1
                image.ignored[row] &= ignored
                image.crowds[row] &= crowd
                image.landmarks[row] = image.landmarks[row] or landmarks
                continue
            image.boxes.append(list(box))
            image.ignored.append(ignored)
            image.crowds.append(crowd)
            image.landmarks.append(landmarks)
            image.areas.append(item["area"] if _is_number(item.get("area")) else box[2] * box[3])
        if repeated:
            remarks.append(f"{repeated} boxes repeat another one of their image exactly; each counts once")
        ids = Counter(item["id"] for item in annotations if isinstance(item.get("id"), int | str))
        if double := next((key for key, times in ids.items() if times > 1), None):
            remarks.append(f"{self._file}: annotations[*].id: {double!r} comes more than once, which changes nothing")
        return CocoFile(images, names, tuple(remarks))

    def _annotation(
        self, where: str, item: Mapping[str, Any], names: Mapping[int | str, str]
    ) -> tuple[str, tuple[float, float, float, float], tuple[bool, bool]]:
        """Returns image, box, and whether it is a crowd and whether it counts nowhere."""
        image, box = item.get("image_id"), item.get("bbox")
        if not _is_key(image) or image not in names:
            self._refuse(f"{where}.image_id", "the id of one of the images", _shown(image))
        crowd, ignored = (self._flag(f"{where}.{name}", item.get(name)) for name in ("iscrowd", "ignore"))
        if not _are_numbers(box):
            expected = f"four finite numbers [x, y, width, height] of at most {LARGEST}"
            self._refuse(f"{where}.bbox", expected, _shown(box))
        x, y, width, height = map(float, box)
        return names[image], (x, y, width, height), (crowd, crowd or ignored)

    def _landmarks(self, where: str, points: Any) -> list[float] | None:
        """Returns the x, y of five key points; None where there are others, or one of them is not labelled (v = 0)."""
        if not isinstance(points, list) or len(points) != 15:
            return None
        if not all(map(_is_number, points)):
            self._refuse(where, "five times x, y, visibility", _shown(points))
        return (
            None
            if 0 in points[2::3]
            else [float(number) for row in range(0, 15, 3) for number in points[row : row + 2]]
        )

    def _images(self) -> tuple[dict[int | str, str], dict[str, CocoImage]]:
        names: dict[int | str, str] = {}
        images: dict[str, CocoImage] = {}
        paths: dict[str, int] = {}
        for index, item in enumerate(self._objects("images")):
            where, name = f"images[{index}]", item.get("file_name")
            key = self._new_key(where, item, names, "image")
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
        sides = {side: item.get(side) for side in ("width", "height")}
        if not all(sides.values()):  # absent, or 0 as some programs write for unknown
            return None
        for name, side in sides.items():
            if not _is_number(side) or side != int(side) or not 0 < side <= LARGEST:
                advice = f"; {set_option('sizes', 'ignore')} skips this check"
                self._refuse(f"{where}.{name}", "a number of pixels", _shown(side), advice)
        return int(sides["width"]), int(sides["height"])  # type: ignore[arg-type]

    def _wanted(self, annotations: list[dict[str, Any]]) -> tuple[set[Any] | None, list[str]]:
        """Returns the ids of the categories whose boxes are faces, or None for all; and remarks on them."""
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
                every = set_option("category", f"[{', '.join(used)}]")
                advice = f"; {set_option('category', best)} takes one, {every} all of them"
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
        known: dict[Any, str] = {}
        items = [] if self._content.get("categories") is None else self._objects("categories")
        for index, item in enumerate(items):
            key, name = self._new_key(f"categories[{index}]", item, known, "category"), item.get("name")
            if not isinstance(name, str):
                self._refuse(f"categories[{index}].name", "text", _shown(name))
            known[key] = name
        return known

    def _category_of(self, index: int, item: Mapping[str, Any], known: Mapping[Any, str]) -> Any:
        key = item.get("category_id")
        if key is not None and (not _is_key(key) or (known and key not in known)):
            expected = f"the id of a category, one of {list(known)}"
            self._refuse(f"annotations[{index}].category_id", expected, _shown(key))
        return key

    def _check_corners(self, annotations: list[dict[str, Any]]) -> None:
        """Refuses boxes whose areas show that they are corners: images are not read yet."""
        measured = [item for item in annotations if _is_number(item.get("area")) and item["area"] > 0]
        boxes = [(item["area"], *item["bbox"]) for item in measured if _are_numbers(item.get("bbox"))]
        as_sizes = sum(math.isclose(area, w * h, rel_tol=0.02, abs_tol=1) for area, _, _, w, h in boxes)
        as_corners = sum(
            x2 > x1 and y2 > y1 and math.isclose(area, (x2 - x1) * (y2 - y1), rel_tol=0.02, abs_tol=1)
            for area, x1, y1, x2, y2 in boxes
        )
        if boxes and as_corners >= 0.99 * len(boxes) and as_sizes < 0.5 * len(boxes) and not self._corners:
            area, *box = boxes[0]
            advice = f"; {set_option('form', 'corners')} reads them so"
            found = f"{box} with area {area:g}, which is that of [x1, y1, x2, y2]"
            self._refuse("annotations[*].bbox", "[x, y, width, height] of the area beside it", found, advice)

    def _flag(self, where: str, value: Any) -> bool:
        if value is None:
            return False
        text = value.strip().lower() if isinstance(value, str) else value
        if text not in (0, 1, *_FLAGS):
            self._refuse(where, "0 or 1", _shown(value))
        return _FLAGS[text] if isinstance(text, str) else bool(text)

    def _new_key(self, where: str, item: Mapping[str, Any], known: Collection[Any], what: str) -> int | str:
        key = item.get("id")
        if not _is_key(key) or key in known:
            self._refuse(f"{where}.id", f"a whole number or text that no other {what} has", _shown(key))
        return key

    def _objects(self, name: str) -> list[dict[str, Any]]:
        values = self._content.get(name)
        if not isinstance(values, list):
            self._refuse(name, "a list", _shown(values))
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                self._refuse(f"{name}[{index}]", "an object", _shown(value))
        return values

    def _refuse(self, where: str, expected: str, found: str, advice: str = "") -> NoReturn:
        raise ValueError(f"{self._file}: {where}: expected {expected}, found {found}{advice}")


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]


def _is_key(value: Any) -> TypeGuard[int | str]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _are_numbers(value: Any) -> TypeGuard[list[float]]:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))
