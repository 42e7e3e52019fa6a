from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.predictions.form import WriteOptions
from pipeline.data.predictions.forms import FORMS
from pipeline.data.predictions.matching import GivenPredictions, find_predictions
from pipeline.data.predictions.table import PredictionTable
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from tests.data.predictions.conftest import SIZES, rows_of

IMAGES = ("a.jpg", "deep/b.jpg", "c d.jpg", "x.jpg")


@pytest.mark.parametrize("style", ["{}", "./{}", "/photos/{}", "C:\\photos\\{}", "PHOTOS/{}"])
@pytest.mark.parametrize("name", ["coco_results", "csv", "rows", "fddb"])
def test_images_are_found_however_they_are_named(small: PredictionTable, tmp_path: Path, name: str, style: str) -> None:
    names = [style.format(each.upper() if "PHOTOS" in style else each) for each in small.names]
    path = tmp_path / f"found{FORMS[name].endings[0]}"
    FORMS[name].write(small.take(range(3), names), path, WriteOptions())
    found = find_predictions(path).of_images(IMAGES)
    expected = rows_of(small)
    assert found.table.names == IMAGES
    assert rows_of(found.table) == {each: expected.get(each, []) for each in IMAGES}
    # Forms that name every image miss one; others cannot say whether it has a box.
    problems = {"missing": ["x.jpg"]} if FORMS[name].names_empty else {"without a box": ["a.jpg", "x.jpg"]}
    assert found.problems() == problems


def write(folder: Path, text: str) -> Path:
    (folder / "rows.txt").write_text(text)
    return folder / "rows.txt"


def test_two_candidates_are_an_error_with_both(tmp_path: Path) -> None:
    found = find_predictions(write(tmp_path, "1 0.5 1 2 3 4\n"))
    with pytest.raises(ValueError, match=r"rows\.txt: 1: expected the name of one image, found a/1\.jpg and b/1\.jpg"):
        found.of_images(("a/1.jpg", "b/1.jpg"))
    found = find_predictions(write(tmp_path, "a/1 0.5 1 2 3 4\nb/1 0.5 1 2 3 4\n"))
    with pytest.raises(ValueError, match=r"rows\.txt: a/1 and b/1 are both detections of 1\.jpg"):
        found.of_images(("1.jpg",))


def test_names_of_no_image_are_kept_apart_and_of_no_image_at_all_refused(tmp_path: Path) -> None:
    found = find_predictions(write(tmp_path, "a 0.5 1 2 3 4\ny 0.5 1 2 3 4\nk 0.5 1 2 3 4\n"))
    assert found.of_images(("a",), known=("k",)).problems() == {"extra": ["y"]}
    with pytest.raises(
        ValueError, match=r"rows\.txt: none of 2 images is among its rows, the first would be b; found a"
    ):
        found.of_images(("b", "c"))
    assert len(find_predictions(write(tmp_path, ""), GivenPredictions("rows")).of_images(("b",)).table.scores) == 0


def test_the_order_of_equal_scores_is_that_of_the_rows_or_of_the_labels(small: PredictionTable, tmp_path: Path) -> None:
    for name, positions in (("rows", [3, 0, 1, 2]), ("wider_text", [0, 1, 2, 3])):
        FORMS[name].write(small, path := tmp_path / f"{name}.txt", WriteOptions())
        found = find_predictions(path).of_images(("c d.jpg", "deep/b.jpg"))
        assert found.table.positions.tolist() == positions


def test_shares_take_sizes(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["yolo"].write(small, tmp_path / "found", WriteOptions())
    found = find_predictions(tmp_path / "found")
    asked = []

    def sizes(names: tuple[str, ...]) -> np.ndarray:
        asked.append(names)
        return np.array([SIZES.get(name, (0, 0)) for name in names], np.int32)

    assert rows_of(found.of_images(IMAGES, sizes=sizes).table) == {**rows_of(small), "x.jpg": []}
    assert asked == [IMAGES]
    with pytest.raises(ValueError, match=r"found: expected the sizes of the images.*; --image-folder names the folder"):
        found.of_images(IMAGES)


def test_errors_of_a_dump_follow_their_image(tmp_path: Path) -> None:
    rows = [
        Detections("p/a.jpg", 0, 0, error="no image"),
        Detections("p/b.jpg", 9, 9, error="out of memory"),
        Detections("c", 9, 9),
    ]
    pq.write_table(pa.Table.from_pylist([row.to_row() for row in rows], DETECTIONS), tmp_path / "found.parquet")
    found = find_predictions(tmp_path / "found.parquet").of_images(("b", "a"), known=("c",))
    assert found.problems() == {"errors": ["a: no image", "b: out of memory"]}
    assert found.table.unreadable == {"a"}


@pytest.mark.parametrize("name", ["coco_results", "csv", "wider_text"])
def test_boxes_of_another_format_are_refused(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(3)
    faces = [
        np.concatenate([corner, corner + rng.integers(20, 50, (3, 2))], axis=1).astype(float)
        for corner in rng.integers(60, 400, (12, 3, 2))
    ]
    boxes = np.concatenate(faces)
    if name == "csv":
        boxes[:, 2:] -= boxes[:, :2]  # sides where corners are expected
    else:
        boxes[:, 2:] += boxes[:, :2]  # the other way round
    table = PredictionTable(
        tuple(f"{n}.jpg" for n in range(12)),
        np.arange(13) * 3,
        boxes,
        np.linspace(1, 0.1, 36),
        np.arange(36),
        np.zeros((12, 2), np.int32),
    )
    FORMS[name].write(table, path := tmp_path / f"found{FORMS[name].endings[-1]}", WriteOptions())
    found = find_predictions(path).of_images(table.names)
    expected, looks = ("x1 y1 x2 y2", "x y w h") if name == "csv" else ("x y w h", "x1 y1 x2 y2")
    with pytest.raises(ValueError, match=f"^{path}: expected rows of {expected} score .* look like {looks} score"):
        found.require_format(faces)


def test_a_form_and_a_category_that_are_given(tmp_path: Path) -> None:
    entries = [{"image_id": 1, "category_id": c, "bbox": [1, 2, 3, 4], "score": 0.5} for c in (1, 2)]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    found = find_predictions(tmp_path, GivenPredictions("coco_results", "2"), {1: "photo"})
    assert (found.path, found.form.words, found.table.names) == (tmp_path / "a.json", "COCO results", ("photo",))
    with pytest.raises(ValueError, match=r"--class 2: expected detections with a class, found rows 'image score"):
        find_predictions(write(tmp_path, "a 0.5 1 2 3 4\n"), GivenPredictions(category="2"))


def test_a_folder_of_images_decides_about_sizes(tmp_path: Path) -> None:
    def by_labels(names: Sequence[str]) -> np.ndarray:
        return np.full((len(names), 2), 7, np.int32)

    assert GivenPredictions().sizes(None) is None
    assert GivenPredictions().sizes(by_labels) is by_labels
    by_folder = GivenPredictions(image_folder=tmp_path).sizes(by_labels)
    assert by_folder is not None and by_folder(["a"]).tolist() == [[0, 0]]
