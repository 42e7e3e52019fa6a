from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data.datasets.labels.coco_results import read_coco_results

ENTRY = {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


def test_ids_and_names(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps([ENTRY, {**ENTRY, "image_id": "b", "score": 1}, {**ENTRY, "image_id": 8}]))
    found = read_coco_results(file, ["a.jpg", "b.jpg"], {7: "a.jpg"})
    assert found.predictions.boxes.tolist() == [[1, 2, 4, 6]] * 2
    assert found.predictions.scores.tolist() == [0.5, 1]
    assert found.extra == ("8",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "expected a JSON list of detections, found that"),
        ("{}", "expected a JSON list of detections, found dict"),
        ("[1]", "[0]: expected an object with image_id, bbox [x, y, width, height] and score, found 1"),
        (json.dumps([ENTRY, {**ENTRY, "bbox": [1, 2, 3]}]), "[1]: expected an object with image_id"),
        (json.dumps([{**ENTRY, "score": None}]), "[0]: expected an object with image_id"),
        (json.dumps([{**ENTRY, "bbox": [1, 2, 3, float("nan")]}]), "[0]: expected an object with image_id"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(content)
    with pytest.raises(ValueError, match="expected") as error:
        read_coco_results(file, ["a"], {})
    assert str(error.value).startswith(f"{file}: {words}")
