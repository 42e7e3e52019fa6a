"""Faces in Label Studio's JSON exports (JSON and JSON-MIN): boxes in per cent of the image's sides.

Read task by task. Its other exports (COCO, YOLO, PASCAL VOC XML, CSV) are those forms; label-studio-sdk converts
between them, with pandas, OpenCV and a client of the server.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, TypeGuard
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.data.datasets.labels.form import Form, head_of
from pipeline.data.datasets.labels.json_array import stream_array
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder, image_name
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.datasets.labels.rotated_box import enclosing
from pipeline.data.file_path import FilePath
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.json_kind import is_detections

_PLACE: Final = ("x", "y", "width", "height")
_UPLOADS: Final = re.compile(r"^/?data/upload/(\d+/)?")


def read_label_studio(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of the tasks of an export; of several annotations of a task, the first that counts.

    A task without an annotation is left out, with a remark: it has not been labelled. A region with the note ``ignore``
    (``meta.text``) is ignored. Of a rotated box the rectangle around it is taken, and other shapes are left out, each
    with a remark.

    Raises OSError: the file cannot be read; ValueError: it is not of this form; the message gives file, task, field,
    expected and found.
    """
    builder, odd = LabelTableBuilder(), Counter[str]()
    for index, task in enumerate(stream_array(file)):
        where = f"{file}: [{index}]"
        if not isinstance(task, dict):
            raise ValueError(f"{where}: expected a task, found {json.dumps(task)[:60]}")
        regions = _regions(where, task, odd)
        if regions is None:
            continue
        text = _image_text(where, task)
        if (name := _name(text)) in builder:
            raise ValueError(f"{where}: expected an image of no task before, found {text!r}")
        faces = list(_faces(where, regions, odd))
        image = builder.image(name, faces[0][0] if faces else (0, 0))
        for _, box, category, ignored in faces:
            builder.face(image, box, category, ignored)
    return builder.build(file, options, [f"{count} {what}" for what, count in sorted(odd.items())])


def _regions(where: str, task: dict[str, Any], odd: Counter[str]) -> list[Any] | None:
    """Returns the regions of a task, JSON-MIN's too; None where it has not been labelled."""
    if "annotations" not in task and "completions" not in task and "data" not in task:  # JSON-MIN
        found = [each for value in task.values() if isinstance(value, list) for each in value]
        return [{"value": each, "type": None, **each} if isinstance(each, dict) else each for each in found]
    done = task.get("annotations", task.get("completions", []))
    if not isinstance(done, list) or not all(isinstance(each, dict) for each in done):
        raise ValueError(f"{where}.annotations: expected a list of annotations, found {json.dumps(done)[:60]}")
    counting = [each for each in done if not each.get("was_cancelled") and not each.get("skipped")]
    if not counting:
        odd["tasks have no annotation, and are left out"] += 1
        return None
    if len(counting) > 1:
        odd["tasks have several annotations, of which the first is taken"] += 1
    result = counting[0].get("result")
    if not isinstance(result, list):
        raise ValueError(f"{where}.annotations[].result: expected a list, found {json.dumps(result)[:60]}")
    return result


def _faces(
    where: str, regions: list[Any], odd: Counter[str]
) -> Iterator[tuple[tuple[int, int], list[float], str, bool]]:
    """Yields size of the image, xyxy in pixels, category and whether it is ignored, of every rectangle."""
    for count, region in enumerate(regions):
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            raise ValueError(f"{where}: region {count}: expected an object with value, found {json.dumps(region)[:60]}")
        names = value.get("rectanglelabels", value.get("labels"))
        if region.get("type") not in (None, "rectanglelabels", "rectangle") or "width" not in value:
            if region.get("type") not in ("choices", "rating", "textarea"):  # of the image, no shape
                odd["polygons, key points and other shapes are left out"] += 1
            continue
        size = [region.get(f"original_{side}") for side in ("width", "height")]
        if not all(isinstance(side, int) and 0 < side < 2**31 for side in size):
            expected = "original_width and original_height in pixels"
            raise ValueError(f"{where}: region {count}: expected {expected}, found {size}")
        written = [*(value.get(name) for name in _PLACE), value.get("rotation") or 0]
        place = [float(each) for each in written if _is_number(each)]
        if len(place) < len(written):
            expected = f"{', '.join(_PLACE)} in per cent of the image"
            raise ValueError(f"{where}: region {count}: expected {expected}, found {json.dumps(written[:4])[:60]}")
        (width, height), (left, top, wide, high, turned) = size, place
        corners = (left * width / 100, top * height / 100, (left + wide) * width / 100, (top + high) * height / 100)
        if turned:
            odd["boxes are rotated; the rectangles around them are taken"] += 1
        box = enclosing(corners, turned, corners[:2]) if turned else list(corners)
        category = str(names[0]) if isinstance(names, list) and names else ""
        yield (width, height), box, category, "ignore" in _notes(region)


def _notes(region: dict[str, Any]) -> list[Any]:
    meta = region.get("meta")
    text = meta.get("text") if isinstance(meta, dict) else None
    return text if isinstance(text, list) else [text]


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**24


def _image_text(where: str, task: dict[str, Any]) -> str:
    data = task.get("data", task)
    texts = {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
    images = [value for value in texts.values() if claims_to_be_image(urlsplit(value).path) or "d=" in value]
    found = texts.get("image") or (images[0] if len(images) == 1 else None)
    if found is None:
        raise ValueError(f"{where}.data: expected image: a path or an address, found {json.dumps(data)[:60]}")
    return found


def _name(text: str) -> str:
    """Returns the path of an image in what a task has: an upload, a local file, a bucket's or another address."""
    parts = urlsplit(text)
    if local := parse_qs(parts.query).get("d"):
        return image_name(local[0]).lstrip("/")
    path = parts.path if parts.scheme or parts.netloc else text
    return image_name(_UPLOADS.sub("", unquote(path))).lstrip("/")


def write_label_studio(table: LabelTable, folder: Path) -> Path:
    """Writes ``tasks.json`` as Label Studio imports it, image by image.

    Images are named as its storage of local files serves them (``/data/local-files/?d=``).
    """
    file = folder / "tasks.json"
    with file.open("w", encoding="utf-8") as stream:
        for position, name in enumerate(table.names):
            rows = table.rows(position)
            size: list[int] = table.sizes[position].tolist()
            pairs = zip(table.boxes[rows].tolist(), table.ignored[rows].tolist(), strict=True)
            result = [_region(f"{position}-{count}", *each, size) for count, each in enumerate(pairs)]
            data = {"image": f"/data/local-files/?d={name.replace('%', '%25').replace('&', '%26').replace('+', '%2B')}"}
            task = {"id": position + 1, "data": data, "annotations": [{"result": result}]}
            stream.write(f"{',' if position else '['}\n{json.dumps(task, ensure_ascii=False)}")
        stream.write("\n]\n")
    return file


def _region(key: str, box: list[float], ignored: bool, size: list[int]) -> dict[str, Any]:
    (x1, y1, x2, y2), (width, height) = box, size
    place = (100 * x1 / width, 100 * y1 / height, 100 * (x2 - x1) / width, 100 * (y2 - y1) / height)
    return {
        "id": key,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "value": {**dict(zip(_PLACE, place, strict=True)), "rotation": 0, "rectanglelabels": ["face"]},
        **({"meta": {"text": ["ignore"]}} if ignored else {}),
    }


def _matches(path: FilePath) -> bool:
    """Returns whether a file is an array of tasks: COCO's detections are an array too, and so are detect's."""
    head = head_of(path, ".json").lstrip()
    if is_detections(head):
        return False
    return head[:1] == "[" and any(f'"{key}"' in head for key in ("data", "annotations", "completions", "image"))


class LabelStudio(LabelledFiles):
    """Your own labelled images as Label Studio exports them, see `read_label_studio`."""

    label_form: ClassVar[Form] = Form(
        words="Label Studio JSON",
        matches=_matches,
        read=read_label_studio,
        write=write_label_studio,
        keeps_ignored=True,
        ending=".json",
        needs_sizes=True,
    )
