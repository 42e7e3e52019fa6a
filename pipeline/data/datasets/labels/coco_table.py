"""COCO JSON as a table of faces, and written from one. It is read by `coco_file`, as a whole.

pycocotools and faster-coco-eval load the file the same way, json.load, and check none of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.data.datasets.coco_file import read_coco
from pipeline.data.datasets.files import file_version
from pipeline.data.datasets.labels.form import Form, head_of
from pipeline.data.datasets.labels.label_table import (
    EVERY,
    POINTS,
    LabelOptions,
    LabelTable,
    LabelTableBuilder,
    image_name,
)


def read_coco_table(file: Path, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a file, those with ``iscrowd`` or ``ignore`` as ignored ones.

    Raises OSError: the file cannot be read; ValueError: as `read_coco`.
    """
    coco = read_coco(file, options.category, True, False, file_version(file.stat()))
    builder = LabelTableBuilder()
    for name, image in coco.images.items():
        position = builder.image(image_name(name), image.size or (0, 0))
        for (x, y, width, height), ignored, points in zip(image.boxes, image.ignored, image.landmarks, strict=True):
            builder.face(position, (x, y, x + width, y + height), "face", ignored, points)
    return builder.build(file, LabelOptions(), coco.remarks)


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


COCO: Final = Form(
    words="COCO JSON",
    matches=lambda path: head_of(path, ".json").lstrip()[:1] == "{",
    read=read_coco_table,
    write=write_coco,
    keeps_ignored=True,
    keeps_landmarks=True,
    ending=".json",
)
