from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.predictions.compared_labels import read_compared_labels
from tests.evaluation.six_photographs import HEIGHT, NAMES, WIDTH, rows_of, write_official, write_photographs


def test_any_form_and_the_official_files_have_the_same_faces(tmp_path: Path) -> None:
    labels = write_photographs(tmp_path) / "set/labels.csv"
    official = write_official(tmp_path / "official", labels)
    own, mat = read_compared_labels(labels), read_compared_labels(official)
    assert own.labels.image_ids == tuple(NAMES)
    assert mat.labels.image_ids == tuple(name.removesuffix(".png") for name in NAMES)
    boxes = (own.labels.boxes, mat.labels.boxes, rows_of(labels).values())
    for one, other, rows in zip(*boxes, strict=True):
        assert one.tolist() == other.tolist() == rows
    assert mat.labels.faces == own.labels.faces > 0
    assert mat.form == "WIDER FACE's .mat files"
    # The photographs are beside the labels, and the official files have no sizes.
    assert own.sizes is not None
    assert own.sizes([NAMES[1], "x"]).tolist() == [[WIDTH, HEIGHT], [0, 0]]
    assert mat.sizes is None
    with pytest.raises(FileNotFoundError, match="no labels at"):
        read_compared_labels(tmp_path / "gone")


def test_the_category_holds_for_sizes_too(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,x1,y1,x2,y2,width,height,category\na.png,1,2,3,4,64,32,face\na.png,0,2,3,4,64,32,dog\n")
    found = read_compared_labels(labels, "dog")
    assert found.labels.boxes[0].tolist() == [[0, 2, 3, 4]]
    assert found.sizes is not None and found.sizes(["a.png"]).tolist() == [[64, 32]]
