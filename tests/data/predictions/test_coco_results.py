from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data.predictions.coco_results import read_coco_results, write_coco_results
from pipeline.data.predictions.form import ReadOptions, WriteOptions
from pipeline.data.predictions.table import PredictionTable
from tests.data.predictions.conftest import rows_of

ENTRY = {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


def write(folder: Path, *entries: object) -> Path:
    (folder / "found.json").write_text(json.dumps(entries))
    return folder / "found.json"


def test_ids_and_names(tmp_path: Path) -> None:
    file = write(tmp_path, ENTRY, {**ENTRY, "image_id": "./b", "score": 1}, {**ENTRY, "image_id": 8})
    row = [1, 2, 4, 6]
    by_ids = read_coco_results(file, ReadOptions({7: "a.jpg"}))
    assert rows_of(by_ids) == {"a.jpg": [[*row, 0.5]], "b": [[*row, 1]], "image_id 8": [[*row, 0.5]]}
    # Without the ids of labels a number is a name.
    assert read_coco_results(file).names == ("7", "b", "8")


def test_detections_of_several_categories_need_a_choice(tmp_path: Path) -> None:
    file = write(tmp_path, ENTRY, {**ENTRY, "category_id": 3}, {**ENTRY, "category_id": 3})
    with pytest.raises(ValueError, match=r"expected detections of one category, found 1 \(1\), 3 \(2\); --class NAME"):
        read_coco_results(file)
    assert len(read_coco_results(file, ReadOptions(category="3")).scores) == 2
    with pytest.raises(ValueError, match=r"expected detections of '2', found \['1', '3'\]"):
        read_coco_results(file, ReadOptions(category="2"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "expected a JSON array, found a JSON object without keys"),
        ("{}", "expected a JSON array, found a JSON object without keys"),
        ("[1]", "[0]: expected an object with image_id, bbox [x, y, width, height] and score, found 1"),
        (json.dumps([ENTRY, {**ENTRY, "bbox": [1, 2, 3]}]), "[1]: expected an object with image_id"),
        (json.dumps([{**ENTRY, "score": None}]), "[0]: expected an object with image_id"),
        (json.dumps([{**ENTRY, "score": True}]), "[0]: expected an object with image_id"),
        (json.dumps([{"image": "a", "faces": []}]), "[0]: expected an object with image_id"),
        (json.dumps([ENTRY])[:-3], "[0]: expected JSON, found that"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(content)
    with pytest.raises(ValueError, match="expected") as error:
        read_coco_results(file)
    assert str(error.value).startswith(f"{file}: {words}")


def test_it_is_written_with_ids_or_names(small: PredictionTable, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    lines = write_coco_results(small, file, WriteOptions({"deep/b.jpg": 3}))
    entries = json.loads(file.read_text())
    assert [entry["image_id"] for entry in entries] == [3, 3, 3, "c d.jpg"]
    assert entries[0] == {"image_id": 3, "category_id": 1, "bbox": [8, 16, 32, 64], "score": 0.75}
    assert len(lines) == 2 and "the image_id of 1 images is their name" in lines[1]
    assert len(write_coco_results(small, file, WriteOptions(dict.fromkeys(small.names, 1)))) == 1
