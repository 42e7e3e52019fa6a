"""Rows are there as soon as they are written, and crops, blurred copies and drawings have names of their own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.records import ScoredBoxes
from pipeline.inference.faces import blur_faces, crop_faces
from stages.cli.found_faces import COLUMNS, FaceCsv, JsonArray, write_kind
from tests.stages.world import drawn_image

FACES = ScoredBoxes(np.array([[10, 10, 40, 40], [50.25, 5, 90, 60]], np.float32), np.array([0.9, 0.6], np.float32))


def test_an_array_is_json_at_the_end_and_lines_before(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    with JsonArray(file) as rows:
        for number in range(3):
            rows.add({"image": number})
            lines = file.read_text().splitlines()
            assert [json.loads(line.rstrip(",")) for line in lines[1:]] == [{"image": n} for n in range(number + 1)]
    assert json.loads(file.read_text()) == [{"image": 0}, {"image": 1}, {"image": 2}]


def test_an_interrupted_array_is_whole_and_an_empty_one_too(tmp_path: Path) -> None:
    def interrupted() -> None:
        with JsonArray(tmp_path / "cut.json") as rows:
            rows.add({"image": 1})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads((tmp_path / "cut.json").read_text()) == [{"image": 1}]
    with JsonArray(tmp_path / "none.json"):
        pass
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_csv_has_a_line_a_face_and_quotes_names(tmp_path: Path) -> None:
    with FaceCsv(tmp_path / "faces.csv") as lines:
        lines.add(Path('a, "b".png'), FACES)
        lines.add(Path("none.png"), FACES.take(slice(0)))
    header, *rows = csv.reader((tmp_path / "faces.csv").read_text().splitlines())
    assert tuple(header) == COLUMNS
    assert rows[1] == ['a, "b".png', "50.25", "5.00", "90.00", "60.00", "0.6"]
    assert len(rows) == 2


def test_each_kind_of_image(tmp_path: Path) -> None:
    image = drawn_image(3)
    assert write_kind("crops", tmp_path / "crops/photo", image, FACES) == f"2 in {tmp_path / 'crops'}"
    crops = [cv2.imread(str(tmp_path / f"crops/photo_face{number}.jpg")) for number in (1, 2)]
    assert [crop.shape for crop in crops] == [crop.shape for crop in crop_faces(image, FACES.boxes)]
    blurred = cv2.imread(write_kind("blur", tmp_path / "blurred/photo", image, FACES)).astype(int)
    assert np.abs(blurred - blur_faces(image, FACES.boxes)).mean() < 3
    assert np.abs(blurred[15:35, 15:35] - image[15:35, 15:35]).mean() > 3
    assert write_kind("out", tmp_path / "drawn/photo", image, FACES) == str(tmp_path / "drawn/photo.jpg")
