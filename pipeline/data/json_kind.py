"""Kind of a JSON file by its first keys, for messages about a file of another form than expected."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import islice
from typing import Final

_EVENTS: Final = 400  # of the parser; the keys of the first objects are among them
_SHOWN: Final = 5
_OBJECTS: Final = (
    ({"annotations", "images"}, "labels as COCO JSON"),
    (
        {"shapes", "imagePath"},
        "labels of one image by LabelMe (labelme2coco and other programs write COCO JSON of them)",
    ),
    ({"_via_img_metadata"}, "a project of VGG Image Annotator (it exports COCO JSON, too)"),
)
_DETECTIONS: Final = {"image", "boxes"}  # their scores may come after the beginning of a file
_ELEMENTS: Final = (
    ({"image_id", "bbox", "score"}, "predictions as COCO results"),
    (_DETECTIONS, "predictions as wider8k detect --json writes them"),
    ({"data", "annotations"}, "labels as Label Studio JSON"),
)


def json_kind(data: bytes) -> str:
    """Returns the kind in words, such as ``labels as COCO JSON``; ``data`` is the beginning of the file, or all."""
    first, keys, inner = _keys(data.removeprefix(b"\xef\xbb\xbf"))
    if first == "start_map":
        if known := _known(_OBJECTS, keys):
            return known
        if {"filename", "regions"} <= set(inner):
            return "labels of VGG Image Annotator (it exports COCO JSON, too)"
        return f"a JSON object with the keys {_listed(keys)}" if keys else "a JSON object without keys"
    if first == "start_array":
        if known := _known(_ELEMENTS, inner):
            return known
        return f"a JSON list of objects with the keys {_listed(inner)}" if inner else "a JSON list without objects"
    return "JSON text"


def is_detections(head: str) -> bool:
    """Returns whether this is the beginning of what ``wider8k detect --json`` writes."""
    if head.lstrip("\ufeff \t\r\n")[:1] != "[":
        return False
    first, _, inner = _keys(head.removeprefix("\ufeff").encode())
    return first == "start_array" and set(inner) >= _DETECTIONS


def _known(kinds: Sequence[tuple[set[str], str]], keys: Sequence[str]) -> str | None:
    return next((words for wanted, words in kinds if wanted <= set(keys)), None)


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (" .." if len(keys) > _SHOWN else "")


def _keys(data: bytes) -> tuple[str, list[str], list[str]]:
    """Returns the first event, and the keys of the outermost object and of the first one inside of the outermost."""
    import ijson

    first, depth, keys, inner, objects = "", 0, list[str](), list[str](), 0
    try:
        for event, value in islice(ijson.basic_parse(BytesIO(data), use_float=True), _EVENTS):
            first = first or event
            if event in ("start_map", "start_array"):
                objects += event == "start_map" and depth == 1
                depth += 1
            elif event in ("end_map", "end_array"):
                depth -= 1
            elif event == "map_key" and depth <= 2:
                if depth == 1:
                    keys.append(value)
                elif objects == 1:
                    inner.append(value)
    except (ijson.JSONError, UnicodeDecodeError):
        pass  # cut off: what came before counts
    return first, keys, inner
