from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.predictions.detect_json import read_detect_json, write_detect_json
from pipeline.data.predictions.form import WriteOptions
from pipeline.data.predictions.table import PredictionTable
from pipeline.data.records import ScoredBoxes
from stages.cli.found_faces import JsonArray
from tests.data.predictions.conftest import rows_of

ROW = {"image": "a.jpg", "boxes": [[1, 2, 3, 4], [5, 6, 7, 8.5]], "scores": [0.5, 0.25]}


def test_what_detect_writes_is_read(tmp_path: Path) -> None:
    found = ScoredBoxes(np.array([[1, 2, 3, 4.5]], np.float32), np.array([0.75], np.float32))
    with JsonArray(tmp_path / "found.json") as rows:
        rows.add({"image": "photos/b.jpg", "width": 9, "height": 9, "boxes": [], "scores": [], "landmarks": []})
        rows.add({"image": "./a.jpg", "boxes": found.boxes.tolist(), "scores": found.scores.tolist()})
    table = read_detect_json(tmp_path / "found.json")
    assert rows_of(table) == {"photos/b.jpg": [], "a.jpg": [[1, 2, 3, 4.5, 0.75]]}
    assert table.sizes.tolist() == [[9, 9], [0, 0]]


def test_it_is_written_with_every_image(small: PredictionTable, tmp_path: Path) -> None:
    assert write_detect_json(small, tmp_path / "found.json", WriteOptions()) == []
    first = json.loads((tmp_path / "found.json").read_text())[0]
    assert (first["image"], first["width"], first["height"]) == ("deep/b.jpg", 128, 256)
    table = read_detect_json(tmp_path / "found.json")
    assert (rows_of(table), table.sizes.tolist()) == (rows_of(small), small.sizes.tolist())


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROW, {**ROW, "image": "b", "scores": [1]}], "[1]: expected an object with image, boxes [[x1, y1, x2, y2]"),
        ([{**ROW, "scores": [1, True]}], "[0]: expected an object with image, boxes"),
        ([{**ROW, "boxes": [[1, 2, 3], [1, 2, 3]]}], "[0]: expected an object with image, boxes"),
        ([{**ROW, "boxes": [[1, 2, 3, 10**400], [5, 6, 7, 8]]}], "[0]: expected an object with image, boxes"),
        ([{**ROW, "width": 3.5}], "[0]: expected width and height as whole numbers of pixels, found [3.5, 0]"),
        ([{**ROW, "image": 3}], "[0]: expected an object with image, boxes"),
        ([ROW, ROW], "[1]: expected an image that no element before has, found a.jpg"),
        ([{**ROW, "frame": 7}], "[0]: expected a photograph, found frame 7 of a.jpg"),
        ([1], "[0]: expected an object with image"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, rows: list[object], words: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match="expected") as error:
        read_detect_json(file)
    assert str(error.value).startswith(f"{file}: {words}")
