from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.predictions.conversion import convert_predictions, is_folder
from pipeline.data.predictions.form import WriteOptions
from pipeline.data.predictions.forms import FORMS
from pipeline.data.predictions.matching import GivenPredictions, find_predictions
from pipeline.data.predictions.table import PredictionTable
from tests.data.predictions.conftest import SIZES, rows_of


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """The images of `small` and one more, with their sizes."""
    rows = [f"{name},0,0,9,9,{width},{height}" for name, (width, height) in {**SIZES, "x.jpg": (64, 64)}.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["image,x1,y1,x2,y2,width,height", *rows]) + "\n")
    return tmp_path / "labels.csv"


def target(folder: Path, name: str) -> Path:
    endings = FORMS[name].endings
    return folder / f"{name}{endings[0] if len(endings) == 1 else ''}"


@pytest.mark.parametrize("source", list(FORMS))
@pytest.mark.parametrize("to", list(FORMS))
def test_every_form_becomes_every_other(
    small: PredictionTable, labels: Path, tmp_path: Path, source: str, to: str
) -> None:
    first = target(tmp_path, source)
    FORMS[source].write(small, first, WriteOptions())
    (tmp_path / "out").mkdir()
    done = convert_predictions(first, to, target(tmp_path / "out", to), labels)
    assert (done.images, done.boxes) == (4, 4)
    again = find_predictions(target(tmp_path / "out", to), GivenPredictions(to))
    sizes = np.array([*SIZES.values(), (64, 64)], np.int32)
    found = again.of_images([*SIZES, "x.jpg"], sizes=lambda names: sizes)
    assert rows_of(found.table) == {**rows_of(small), "x.jpg": []}


def test_without_labels_names_stay(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["rows"].write(small.take([0], ["./p/b.jpg"]), tmp_path / "rows.txt", WriteOptions())
    done = convert_predictions(tmp_path / "rows.txt", "csv", tmp_path / "out.csv")
    assert (done.images, done.boxes, done.lines) == (1, 3, ())
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("p/b.jpg,8.0,16.0")


def test_what_is_lost_is_said(small: PredictionTable, labels: Path, tmp_path: Path) -> None:
    odd = replace(small, scores=small.scores / 3)
    FORMS["csv"].write(odd.take([0, 1, 2, -1], [*odd.names, "y.jpg"]), tmp_path / "found.csv", WriteOptions())
    done = convert_predictions(tmp_path / "found.csv", "dump", tmp_path / "out", labels)
    assert done.lines == (
        "1 names of no labelled image are left out: y.jpg",
        "numbers are rounded to single precision",
    )
    again = find_predictions(tmp_path / "out").table
    assert dict(zip(again.names, again.sizes.tolist(), strict=True))["x.jpg"] == [64, 64]  # of the labels
    without = convert_predictions(tmp_path / "found.csv", "dump", tmp_path / "unsized")
    assert without.lines[0] == "width and height are left out: the size of some images is unknown"


def test_sizes_of_a_folder(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["csv"].write(small, tmp_path / "found.csv", WriteOptions())
    with pytest.raises(
        ValueError,
        match=r"expected the sizes of the images, for YOLO .*found none of 2 of 3 images, the first is deep/b\.jpg",
    ):
        convert_predictions(tmp_path / "found.csv", "yolo", tmp_path / "out")
    for name, (width, height) in SIZES.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(encode_png(np.zeros((height, width, 3), np.uint8)))
    given = GivenPredictions(image_folder=tmp_path / "photos")
    assert convert_predictions(tmp_path / "found.csv", "yolo", tmp_path / "out", given=given).boxes == 4
    with pytest.raises(ValueError, match="out: expected the sizes of the images.*; --image-folder names the folder"):
        convert_predictions(tmp_path / "out", "csv", tmp_path / "again.csv")
    assert convert_predictions(tmp_path / "out", "csv", tmp_path / "again.csv", given=given).boxes == 4
    again, first = ((tmp_path / name).read_text().splitlines() for name in ("again.csv", "found.csv"))
    assert sorted(again) == sorted(line.replace(".jpg", "") for line in first)


@pytest.mark.parametrize("names", [["../a.jpg"], ["a.jpg", "a.png"], ["C:/a.jpg"]])
def test_names_that_are_no_files_are_refused(small: PredictionTable, tmp_path: Path, names: list[str]) -> None:
    FORMS["csv"].write(small.take([0, 2][: len(names)], names), tmp_path / "found.csv", WriteOptions())
    with pytest.raises(ValueError, match=r"found\.csv: expected (names that are paths below a folder|different names)"):
        convert_predictions(tmp_path / "found.csv", "wider_text", tmp_path / "out")


@pytest.mark.parametrize(
    ("to", "out", "folder"),
    [
        ("wider_text", "out", True),
        ("wider_text", "out.zip", False),
        ("wider_text", "out.TXT", False),
        ("wider_text", "out.d", None),
        ("yolo", "out.d", True),
        ("dump", "out", True),
        ("csv", "out.csv", False),
        ("csv", "out", None),
    ],
)
def test_the_ending_decides_between_file_and_folder(to: str, out: str, folder: bool | None) -> None:
    if folder is None:
        with pytest.raises(ValueError, match=f"--out {out}: {FORMS[to].words} is written as "):
            is_folder(to, Path(out))
    else:
        assert is_folder(to, Path(out)) == folder
