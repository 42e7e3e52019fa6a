"""Your own labelled images: a COCO JSON file and the images it names; and the file written from a table of faces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np

from pipeline.data.datasets.dataset import set_option
from pipeline.data.datasets.files import size_in, version_of
from pipeline.data.datasets.labels.coco_reader import BoxForm, CocoNumbers, read_coco
from pipeline.data.datasets.labels.form import HEAD, Form, head_of
from pipeline.data.datasets.labels.label_table import POINTS, LabelTable
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.file_path import FilePath

_KEYS: Final = ("images", "annotations", "categories", "info", "licenses")


def write_coco(table: LabelTable, folder: Path) -> Path:
    """Writes ``annotations.json``, piece by piece, one category ``face``; an ignored face has ``ignore`` of 1."""
    file = folder / "annotations.json"
    category = {"id": 1, "name": "face", **({"keypoints": POINTS} if table.landmarks is not None else {})}
    with file.open("w", encoding="utf-8") as stream:
        stream.write(f'{{"categories": [{json.dumps(category)}],\n"images": [')
        for position, name in enumerate(table.names):
            width, height = table.sizes[position].tolist()
            image = {"id": position + 1, "file_name": name, "width": width, "height": height}
            stream.write(f"{',' if position else ''}\n{json.dumps(image, ensure_ascii=False)}")
        stream.write('],\n"annotations": [')
        for position in range(len(table)):
            rows = table.rows(position)
            for row in range(rows.start, rows.stop):
                found = {"id": row + 1, "image_id": position + 1, "category_id": 1, **_annotation(table, row)}
                stream.write(f"{',' if row else ''}\n{json.dumps(found)}")
        stream.write("]}\n")
    return file


def _annotation(table: LabelTable, row: int) -> dict[str, Any]:
    x1, y1, x2, y2 = table.boxes[row].tolist()
    width, height = round(x2 - x1, 6), round(y2 - y1, 6)
    found: dict[str, Any] = {"bbox": [x1, y1, width, height], "area": width * height, "iscrowd": 0}
    if table.ignored[row]:
        found["ignore"] = 1
    if table.landmarks is not None and np.isfinite(table.landmarks[row]).all():
        found["keypoints"] = [number for x, y in table.landmarks[row].tolist() for number in (x, y, 2)]
        found["num_keypoints"] = 5
    return found


def _matches(path: FilePath) -> bool:
    """Returns whether a file is an object whose beginning has a key of COCO's; a short one has images as well.

    The `notes.json` beside Label Studio's YOLO text has categories and info alone.
    """
    head = head_of(path, ".json").lstrip()
    keys = _KEYS if head and size_in(version_of(path)) > HEAD else _KEYS[:2]
    return head[:1] == "{" and any(f'"{key}"' in head for key in keys)


class CocoJson(LabelledFiles):
    """Images and faces of a COCO JSON file: ``images`` (id, file_name) and ``annotations`` (image_id, bbox xywh).

    A face with ``iscrowd`` or ``ignore`` set is ignored. Five ``keypoints`` are landmarks (eyes, nose, mouth corners;
    left first); other key points and masks are not read.

    Attributes:
        form: of boxes: "xywh" as COCO has them, "corners" (x1, y1, x2, y2) or "centre" (and width and height).
        units: of boxes: "pixels", or "relative", shares of the image's sides.
    """

    label_form: ClassVar[Form] = Form(
        words="COCO JSON",
        matches=_matches,
        read=read_coco,
        write=write_coco,
        keeps_ignored=True,
        keeps_landmarks=True,
        ending=".json",
    )
    box_forms: ClassVar[Mapping[str, str]] = {
        form: f"{set_option('units' if form == 'relative' else 'form', form)} reads them so"
        for form in ("corners", "centre", "relative")
    }

    form: BoxForm = "xywh"
    units: Literal["pixels", "relative"] = "pixels"

    def read_labels(self, folder: FilePath, labels: FilePath) -> LabelTable:
        """Returns the faces of a file, its numbers read as the parameters say, as `LabelledFiles.read_labels`."""
        numbers = CocoNumbers(self.form, self.units == "relative", self.sizes != "ignore")
        return read_coco(labels, self._options(), numbers)
