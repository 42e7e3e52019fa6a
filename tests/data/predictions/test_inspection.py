from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.predictions.form import WriteOptions
from pipeline.data.predictions.forms import FORMS
from pipeline.data.predictions.inspection import inspect_predictions
from pipeline.data.predictions.matching import GivenPredictions
from pipeline.data.predictions.table import PredictionTable


def test_counts_of_predictions_alone(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["wider_text"].write(small, tmp_path / "found.zip", WriteOptions())
    found = inspect_predictions(tmp_path / "found.zip")
    assert dict(found.counts) == {
        "form": "WIDER text (--form wider_text)",
        "path": str(tmp_path / "found.zip"),
        "images": "3, 1 of them without a box",
        "boxes": "4, at most 3 in an image",
        "scores": "0.25 to 0.75, half of them below 0.5",
        "heights": "5 % of the boxes are below 2.9 px, half below 20, 5 % above 59.2",
    }
    assert (found.remarks, found.problem) == ((), None)


def test_labels_are_met_and_names_compared(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["yolo"].write(small, tmp_path / "found", WriteOptions())
    (tmp_path / "labels.csv").write_text(
        "image,x1,y1,x2,y2,width,height\ndeep/b.jpg,8,16,40,80,128,256\ndeep/b.jpg,0,100,9,109,128,256\na.jpg,,,,,64,64\n"
    )
    found = inspect_predictions(tmp_path / "found", tmp_path / "labels.csv")
    assert "below 0.018 of the image's height, half" in dict(found.counts)["heights"]
    assert dict(found.counts)["labels"] == "CSV: 2 images, 2 of them among the predictions"
    assert dict(found.counts)["faces"] == "2, 1 of them met by a box at IoU 0.5, whatever its score"
    assert found.remarks == ("1 images belong to no labelled image: c d",)


def test_a_contradiction_is_a_problem(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["yolo"].write(small, tmp_path / "found", WriteOptions())
    (tmp_path / "labels.csv").write_text("image,x1,y1,x2,y2\ndeep/b.jpg,8,16,40,80\n")
    problem = inspect_predictions(tmp_path / "found", tmp_path / "labels.csv").problem
    assert problem is not None and "expected the sizes of the images" in problem
    (tmp_path / "photos/deep").mkdir(parents=True)
    (tmp_path / "photos/deep/b.jpg").write_bytes(encode_png(np.zeros((256, 128, 3), np.uint8)))
    given = GivenPredictions(image_folder=tmp_path / "photos")
    assert inspect_predictions(tmp_path / "found", tmp_path / "labels.csv", given).problem is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a 1 0 0 9 9\nb 1 0 0 8 8\n", "all scores are equal"),
        ("a 1 5 5 5 9\nb 2 0 0 8 8\n", "1 boxes have no area"),
        ("".join(f"a {place % 3} 0 0 9 {place + 1}\n" for place in range(10)), "scores have 3 different values only"),
    ],
)
def test_what_is_odd_is_a_remark(tmp_path: Path, rows: str, words: str) -> None:
    (tmp_path / "rows.txt").write_text(rows)
    remarks = inspect_predictions(tmp_path / "rows.txt").remarks
    assert len(remarks) == 1 and remarks[0].startswith(words)


def test_oddities_of_the_source_are_remarks(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / f"{name}.txt").write_text(f"{name}\n1\n1 2 3 4 0.25\n5 6 7 8 0.5\n")
    remarks = inspect_predictions(tmp_path).remarks
    assert remarks[0] == "a.txt: line 2 says 1 rows, there are 2"
    assert remarks[3:] == ("2 more of these", "all scores are equal: there is no order, and no AP that means something")
