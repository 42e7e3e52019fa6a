from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data.datasets.labels.coco_json import CocoJson, write_coco
from pipeline.data.datasets.labels.coco_reader import read_coco
from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable


def test_what_is_written_is_a_dataset(small: LabelTable, photographs: Path) -> None:
    file = write_coco(small, photographs)
    assert CocoJson.label_form.matches(file)
    data = CocoJson()
    samples = [data.open(str(photographs))(entry) for entry in data.entries(str(photographs))]
    assert [sample.boxes.tolist() for sample in samples] == [
        small.boxes[small.rows(position)].astype("float32").tolist() for position in range(3)
    ]
    assert [flag for sample in samples for flag in sample.levels["hard"].tolist()] == [True, True, True, False]
    content = json.loads(file.read_text())
    assert content["annotations"][0]["area"] == pytest.approx(15.25 * 19.5)


def test_crowds_and_ignored_ones_are_ignored_faces_of_the_category(tmp_path: Path) -> None:
    images = [{"id": 5, "file_name": "a\\b.jpg", "width": 9, "height": 8}, {"id": 4, "file_name": "c.jpg"}]
    boxes = [{"bbox": [1, 2, 3, 4], "category_id": each} for each in (1, 1, 2)]
    annotations = [{**boxes[0], "image_id": 5}, {**boxes[1], "image_id": 4, "iscrowd": 1}, {**boxes[2], "image_id": 4}]
    categories = [{"id": 1, "name": "face"}, {"id": 2, "name": "hand"}]
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    table = read_coco(file, LabelOptions(("face",)))
    assert (table.names, table.sizes.tolist()) == (("a/b.jpg", "c.jpg"), [[9, 8], [0, 0]])
    assert (table.boxes.tolist(), table.ignored.tolist()) == ([[1, 2, 4, 6]] * 2, [False, True])
