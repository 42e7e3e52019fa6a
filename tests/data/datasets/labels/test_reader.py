from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.datasets.labels.reader import read_box_labels

COCO = {
    "images": [{"id": 9, "file_name": "b.jpg"}, {"id": 4, "file_name": "a.jpg"}],
    "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "hand"}],
    "annotations": [
        {"id": 1, "image_id": 4, "category_id": 1, "bbox": [1, 2, 10, 20], "area": 150},
        {"id": 2, "image_id": 4, "category_id": 1, "bbox": [1, 2, 30, 20], "iscrowd": 1},
        {"id": 3, "image_id": 9, "category_id": 1, "bbox": [5, 5, 5, 5], "ignore": 1},
        {"id": 4, "image_id": 9, "category_id": 2, "bbox": [6, 6, 5, 5]},
    ],
}


def test_coco_with_crowds_areas_and_ids(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text(json.dumps(COCO))
    file = read_box_labels(tmp_path / "coco.json", "face")
    assert (file.form, dict(file.ids)) == ("COCO JSON", {9: "b.jpg", 4: "a.jpg"})
    assert file.labels.image_ids == ("a.jpg", "b.jpg")  # by id, as COCO's tool takes them
    assert file.labels.boxes[0].tolist() == [[1, 2, 11, 22], [1, 2, 31, 22]]
    assert file.labels.areas[0].tolist() == [150, 600]
    assert file.labels.crowds[0].tolist() == file.labels.ignored[0].tolist() == [False, True]
    assert (file.labels.crowds[1].tolist(), file.labels.ignored[1].tolist()) == ([False], [True])
    with pytest.raises(ValueError, match="expected objects of one name, found face .*; --category 'face' takes one"):
        read_box_labels(tmp_path / "coco.json")


@pytest.mark.wider
def test_wider_text(shared: Path) -> None:
    file = read_box_labels(shared / "data/wider_val_gt/wider_face_val_bbx_gt.txt")
    assert len(file.labels.image_ids) == 3226
    assert file.labels.faces == 39708 - 585 - 1  # one box repeats another
    assert file.labels.image_ids[0].endswith(".jpg")


def test_the_other_forms_by_their_endings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,x,y,w,h\na,1,2,3,4\n")
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "a.xml").write_text("<annotation></annotation>")
    table = np.empty((1, 1), [("imgname", object), ("objects", object)])
    table[0, 0] = ("a.jpg", np.array([[1, 2, 3, 4]]))
    scipy.io.savemat(tmp_path / "a.mat", {"Annotations": table})
    assert [read_box_labels(tmp_path / name).form for name in ("a.csv", "xml", "a.mat")] == [
        "CSV",
        "VOC XML",
        "MATLAB of face-eval",
    ]


def test_what_is_no_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no labels at .*gone\.csv: expected COCO JSON \(coco_json\), YOLO"):
        read_box_labels(tmp_path / "gone.csv")
    (tmp_path / "a.xls").write_text("")
    with pytest.raises(ValueError, match=r"a\.xls: expected COCO JSON .*; found an empty file"):
        read_box_labels(tmp_path / "a.xls")


def test_equal_boxes_count_once_whichever_form_has_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2\na,1,2,3,4\na,1,2,3,4\na,1,2,3,5\n")
    file = read_box_labels(tmp_path / "a.csv")
    assert file.labels.boxes[0].tolist() == [[1, 2, 3, 4], [1, 2, 3, 5]]
    assert file.remarks == ("1 boxes repeat another one of their image exactly; each counts once",)


def test_shares_are_of_the_sizes_that_are_given(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"")
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.4\n")

    def sizes(names: Sequence[str]) -> np.ndarray:
        assert list(names) == ["a.png"]
        return np.array([[100, 50]], np.int32)

    assert read_box_labels(tmp_path, sizes=sizes).labels.boxes[0].tolist() == [[40, 15, 60, 35]]
    with pytest.raises(
        ValueError, match=r"a\.png: expected the image, for its boxes are shares of its sides, found none"
    ):
        read_box_labels(tmp_path)


def test_sizes_of_coco_that_are_none_are_unknown(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "a.png", "width": 64, "height": 32},
        {"id": 2, "file_name": "b.png", "width": "?", "height": 3},
    ]
    box = {"image_id": 1, "bbox": [1, 2, 3, 4]}
    (tmp_path / "faces.json").write_text(json.dumps({"images": images, "annotations": [box]}))
    sizes = read_box_labels(tmp_path / "faces.json").sizes
    assert sizes is not None and sizes(["b.png", "a.png"]).tolist() == [[0, 0], [64, 32]]
