from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.predictions.form import ReadOptions, WriteOptions
from pipeline.data.predictions.table import PredictionTable
from pipeline.data.predictions.yolo_text import read_yolo_predictions, write_yolo_predictions
from tests.data.predictions.conftest import rows_of

POINTS = " 0.1 0.1" * 5


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_boxes_are_shares_and_a_labels_folder_is_no_name(tmp_path: Path) -> None:
    folder = write(tmp_path, val__labels__e__a="0 0.5 0.5 0.25 0.5 0.75\r\n0 0.25 0.25 0.5 0.5 0.5\n\n", labels__b="")
    found = read_yolo_predictions(folder)
    assert found.relative
    assert rows_of(found) == {"val/e/a": [[0.375, 0.25, 0.625, 0.75, 0.75], [0, 0, 0.5, 0.5, 0.5]], "b": []}


@pytest.mark.parametrize("points", [POINTS, " 0.1 0.1 2" * 5])
def test_key_points_are_skipped(tmp_path: Path, points: str) -> None:
    folder = write(tmp_path, a=f"0 0.5 0.5 0.25 0.5{points} 0.75\n", b="0 0.5 0.5 1 1 0.5\n")
    assert rows_of(read_yolo_predictions(folder)) == {"a": [[0.375, 0.25, 0.625, 0.75, 0.75]], "b": [[0, 0, 1, 1, 0.5]]}


def test_several_classes_need_a_choice(tmp_path: Path) -> None:
    folder = write(tmp_path, a="0 0.5 0.5 1 1 0.5\n3 0.5 0.5 1 1 0.75\n", b="3 0.5 0.5 1 1 0.5\n")
    with pytest.raises(ValueError, match=r"expected detections of one category, found 0 \(1\), 3 \(2\); --class NAME"):
        read_yolo_predictions(folder)
    assert sorted(read_yolo_predictions(folder, ReadOptions(category="3")).scores) == [0.5, 0.75]
    with pytest.raises(ValueError, match=r"expected detections of 'face', found \['0', '3'\]"):
        read_yolo_predictions(folder, ReadOptions(category="face"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "0 0.5 0.5 1 1\n",
            "a.txt:1: expected six numbers class cx cy w h confidence (five are a label: save_conf=True",
        ),
        (
            "0 0.5 0.5 1 1 0.5 1\n",
            "a.txt:1: expected six numbers class cx cy w h confidence, found '0 0.5 0.5 1 1 0.5 1'",
        ),
        (
            "0 0.5 0.5 1 1 0.5\n0 0.5 0.5 1 1\n",
            "a.txt:2: expected 6 finite numbers (class cx cy w h confidence), found",
        ),
        (
            "0 300 200 50 60 0.5\n",
            "a.txt:1: expected a whole class and cx cy w h as shares of the image's sides, 0 to 1, found",
        ),
        ("0.5 0.5 0.5 0.1 0.1 0.5\n", "a.txt:1: expected a whole class and cx cy w h"),
        ("0 0 0 1 1 0.5\n\n0 9 0 1 1 0.5\n", "a.txt:3: expected a whole class and cx cy w h"),
        ("\n0 0 0 1 1 0.5\n\n0 0 0 1 1 x\n", "a.txt:4: expected 6 finite numbers"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        read_yolo_predictions(write(tmp_path, a=text))
    assert str(error.value).startswith(f"{tmp_path}/{words}")


def test_an_image_has_one_text(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found no .txt"):
        read_yolo_predictions(tmp_path)
    with pytest.raises(ValueError, match="expected one text of each image, found a second one"):
        read_yolo_predictions(write(tmp_path, labels__a="", a=""))


def test_shares_are_written_in_full(small: PredictionTable, tmp_path: Path) -> None:
    write_yolo_predictions(small, tmp_path, WriteOptions())
    assert (tmp_path / "labels/deep/b.txt").read_text().splitlines()[0] == "0 0.1875 0.1875 0.25 0.25 0.75"
    assert (tmp_path / "labels/a.txt").read_text() == ""
    assert (tmp_path / "labels/c d.txt").read_text() == f"0 {1.125 / 512} {2 / 128} {1.75 / 512} {2 / 128} 0.25\n"
