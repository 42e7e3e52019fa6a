"""Your own set: what the JSON file says, and a clear word for every mistake in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.datasets import CocoJson

GOOD: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "b.jpg"}, {"id": "x", "file_name": "sub/a.jpg", "width": 1}],
    "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1.5, 2, 10, 60], "keypoints": [1, 2, 3]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 60], "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [5, 5, 5, 20], "ignore": 0},
        {"id": 4, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 12], "ignore": True},
    ],
}


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    write_image(tmp_path / "b.jpg", 80, 70)
    write_image(tmp_path / "sub" / "a.jpg")
    (tmp_path / "annotations.json").write_text(json.dumps(GOOD))
    return tmp_path


def test_boxes_and_ignored_faces(root: Path) -> None:
    data = CocoJson()
    entries = data.entries(str(root))
    assert [(entry.image_id, entry.path) for entry in entries] == [("b.jpg", "b.jpg"), ("sub/a.jpg", "sub/a.jpg")]
    sample, empty = (data.open(str(root))(entry) for entry in entries)
    assert sample.boxes.tolist() == [[1.5, 2, 11.5, 62], [0, 0, 10, 60], [5, 5, 10, 25], [0, 0, 1, 12]]
    assert {name: flags.tolist() for name, flags in sample.levels.items()} == {
        "easy": [True, False, False, False],
        "medium": [True, False, False, False],
        "hard": [True, False, True, False],
    }
    assert (sample.width, sample.height) == (80, 70)
    assert empty.boxes.shape == (0, 4)
    assert data.image_bytes(str(root), "b.jpg") == (root / "b.jpg").read_bytes()


def test_one_category(root: Path) -> None:
    data = CocoJson(category="face")
    assert len(data.open(str(root))(data.entries(str(root))[0]).boxes) == 3
    with pytest.raises(ValueError, match=r"categories: expected one named 'cat', found \['dog', 'face'\]"):
        CocoJson(category="cat").entries(str(root))


def test_images_in_their_own_folder(root: Path) -> None:
    (root / "pictures").mkdir()
    (root / "b.jpg").rename(root / "pictures" / "b.jpg")
    data = CocoJson(images="pictures", missing="skip")
    assert [entry.path for entry in data.entries(str(root))] == ["pictures/b.jpg"]
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images .*annotations\.json are missing: pictures/sub/a\.jpg"):
        CocoJson(images="pictures").entries(str(root))


def test_a_changed_label_changes_that_stamp_only(root: Path) -> None:
    before = [entry.stamp for entry in CocoJson().entries(str(root))]
    changed = copy.deepcopy(GOOD)
    changed["annotations"][0]["bbox"][0] = 1.25
    (root / "annotations.json").write_text(json.dumps(changed))
    after = [entry.stamp for entry in CocoJson().entries(str(root))]
    assert before[0] != after[0]
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("annotations", 2, "bbox"), [1, 2, 3], r"annotations\[2\]\.bbox: expected four finite numbers .*\[1, 2, 3\]"),
        (("annotations", 2, "bbox"), [1, 2, 3, "4"], r"annotations\[2\]\.bbox"),
        (("annotations", 2, "bbox"), [1, 2, 3, float("nan")], r"annotations\[2\]\.bbox"),
        (("annotations", 0, "bbox"), None, r"annotations\[0\]\.bbox: .*found nothing"),
        (("annotations", 1, "image_id"), 99, r"annotations\[1\]\.image_id: expected the id of one .*found 99"),
        (("annotations", 1), 5, r"annotations\[1\]: expected an object, found 5"),
        (("annotations",), None, "annotations: expected a list, found nothing"),
        (("images", 1, "file_name"), "../a.jpg", r"images\[1\]\.file_name: expected a file name relative"),
        (("images", 1, "file_name"), "b.jpg", "images: expected file names that differ, found 'b.jpg'"),
        (("images", 1, "id"), 7, r"images\[1\]\.id: .*no other image has, found 7"),
        (("images", 0), "b.jpg", r"images\[0\]: expected an object"),
    ],
)
def test_mistakes_name_their_place(root: Path, where: tuple[Any, ...], value: Any, says: str) -> None:
    content = copy.deepcopy(GOOD)
    place: Any = content
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    (root / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"annotations\.json: {says}"):
        CocoJson().entries(str(root))


def test_other_files_are_refused(root: Path) -> None:
    (root / "annotations.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        CocoJson().entries(str(root))
    (root / "annotations.json").write_text("[]")
    with pytest.raises(ValueError, match=r"\$: expected an object with images and annotations"):
        CocoJson().entries(str(root))
    with pytest.raises(FileNotFoundError, match=r"no annotation .*other\.json"):
        CocoJson(annotation="other.json").entries(str(root))


@pytest.mark.parametrize("field", ["annotation", "images"])
@pytest.mark.parametrize("value", ["/abs", "../up", "a/../../b"])
def test_names_stay_below_the_root(field: str, value: str) -> None:
    with pytest.raises(ValueError, match="relative to the dataset's root"):
        CocoJson.model_validate({field: value})
