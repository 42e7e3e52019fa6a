"""A labelled set of your own: reading the COCO JSON file, and the message of every mistake in it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.datasets.labels.coco_json import CocoJson
from pipeline.data.datasets.labels.coco_reader import read_coco
from pipeline.data.file_path import file_path
from pipeline.data.object_path import ObjectPath
from pipeline.data.schemas import SAMPLES

ALL = CocoJson(category=("face", "dog"))
GOOD: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "b.jpg", "width": 80, "height": 70}, {"id": "x", "file_name": "sub/a.jpg"}],
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
    data = ALL
    entries = data.entries(str(root))
    assert [(entry.image_id, entry.path) for entry in entries] == [("b.jpg", "b.jpg"), ("sub/a.jpg", "sub/a.jpg")]
    sample, empty = (data.open(str(root))(entry) for entry in entries)
    assert sample.boxes.tolist() == [[1.5, 2, 11.5, 62], [0, 0, 10, 60], [5, 5, 10, 25], [0, 0, 1, 12]]
    one = [True, False, False, False]
    levels = {name: flags.tolist() for name, flags in sample.levels.items()}
    assert levels == {"easy": one, "medium": one, "hard": [True, False, True, False]}
    assert (sample.width, sample.height) == (80, 70) and empty.boxes.shape == (0, 4)
    assert data.image_bytes(str(root), "b.jpg") == (root / "b.jpg").read_bytes()


def test_one_category(root: Path) -> None:
    data = CocoJson(category="face")
    assert len(data.open(str(root))(data.entries(str(root))[0]).boxes) == 3
    with pytest.raises(ValueError, match=r"categories: expected one named 'cat', found \['dog', 'face'\]"):
        CocoJson(category="cat").entries(str(root))


def test_images_in_their_own_folder(root: Path) -> None:
    (root / "photos").mkdir()
    (root / "b.jpg").rename(root / "photos" / "b.jpg")
    data = CocoJson(images="photos", missing="skip", category="face")
    assert [entry.path for entry in data.entries(str(root))] == ["photos/b.jpg"]
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images .*annotations\.json are missing: photos/sub/a\.jpg"):
        CocoJson(images="photos", category="face").entries(str(root))


def test_a_changed_label_changes_that_stamp_only(root: Path) -> None:
    before = [entry.version for entry in ALL.entries(str(root))]
    changed = copy.deepcopy(GOOD)
    changed["annotations"][0]["bbox"][0] = 1.25
    (root / "annotations.json").write_text(json.dumps(changed))
    after = [entry.version for entry in ALL.entries(str(root))]
    assert before[0] != after[0] and before[1] == after[1]


def changed(root: Path, *places: tuple[tuple[Any, ...], Any]) -> None:
    """Writes the file with some values replaced."""
    content = copy.deepcopy(GOOD)
    for where, value in places:
        place: Any = content
        for key in where[:-1]:
            place = place[key]
        place[where[-1]] = value
    (root / "annotations.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("annotations", 2, "bbox"), [1, 2, 3], r"annotations\[2\]\.bbox: expected four finite numbers .*\[1, 2, 3\]"),
        (("annotations", 2, "bbox"), [1, 2, 3, "4"], r"annotations\[2\]\.bbox"),
        (("annotations", 2, "bbox"), [1, 2, 3, True], r"annotations\[2\]\.bbox"),
        (("annotations", 2, "bbox"), [1, 2, 3, float("nan")], r"annotations\[2\]\.bbox"),
        (("annotations", 2, "bbox"), [1, 2, 3, float("-inf")], r"annotations\[2\]\.bbox"),
        (("annotations", 2, "bbox"), [1, 2, 3, 1e39], r"annotations\[2\]\.bbox: .* at most 16777216, .*1e\+39"),
        (("annotations", 2, "bbox"), [1, 2, 3, 10**400], r"annotations\[2\]\.bbox"),
        (("annotations", 2, "bbox"), [-1e39, 2, 3, 4], r"annotations\[2\]\.bbox"),
        (("annotations", 0, "bbox"), None, r"annotations\[0\]\.bbox: .*found nothing"),
        (("annotations", 0, "iscrowd"), "no", r"annotations\[0\]\.iscrowd: expected 0 or 1, found 'no'"),
        (("annotations", 0, "iscrowd"), 2, r"annotations\[0\]\.iscrowd: expected 0 or 1, found 2"),
        (("annotations", 0, "ignore"), [], r"annotations\[0\]\.ignore: expected 0 or 1, found \[\]"),
        (("annotations", 1, "image_id"), 99, r"annotations\[1\]\.image_id: expected the id of one .*found 99"),
        (("annotations", 1, "image_id"), True, r"annotations\[1\]\.image_id: .*found True"),
        (("annotations", 1, "category_id"), 9, r"annotations\[1\]\.category_id: .* one of \[1, 2\], found 9"),
        (("annotations", 1, "category_id"), "1", r"annotations\[1\]\.category_id: .* one of \[1, 2\], found '1'"),
        (("annotations", 1), 5, r"annotations\[1\]: expected an object, found 5"),
        (("annotations",), None, "annotations: expected a list, found nothing"),
        (("categories", 1, "id"), 1, r"categories\[1\]\.id: .*no other category has, found 1"),
        (("images", 1, "file_name"), "../a.jpg", r"images\[1\]\.file_name: expected a file name relative"),
        (("images", 1, "file_name"), "b.jpg", r"images\[1\]\.file_name: expected another .* images\[0\].* 'b.jpg'"),
        (("images", 1, "file_name"), "./b.jpg", r"images\[1\]\.file_name: expected another .*, found '\./b.jpg'"),
        (("images", 1, "id"), 7, r"images\[1\]\.id: .*no other image has, found 7"),
        (("images", 0), "b.jpg", r"images\[0\]: expected an object"),
        (("images",), [], "images: expected at least one image, found none"),
        (("images", 0, "width"), "80", r"images\[0\]\.width: .* a number of pixels, found '80'; .*sizes=ignore"),
        (("images", 0, "height"), -70, r"images\[0\]\.height: expected a number of pixels, found -70"),
        (("images", 0, "height"), 70.5, r"images\[0\]\.height: expected a number of pixels, found 70\.5"),
    ],
)
def test_mistakes_name_their_place(root: Path, where: tuple[Any, ...], value: Any, says: str) -> None:
    changed(root, (where, value))
    with pytest.raises(ValueError, match=rf"annotations\.json: {says}"):
        ALL.entries(str(root))


def test_boxes_of_several_categories_are_refused(root: Path) -> None:
    found = r"json: expected objects of one name, found face \(3\), dog \(1\); --set <node>\.dataset\."
    advice = r"category=face takes one, --set '<node>\.dataset\.category=\[face, dog\]' all"
    with pytest.raises(ValueError, match=found + advice):
        CocoJson().entries(str(root))
    assert CocoJson(category="[face, dog]") == CocoJson(category=["face", "dog"]) == ALL
    changed(root, (("annotations", 2, "category_id"), 1))  # a category without a box is none to ask for
    assert len(CocoJson().entries(str(root))) == 2
    changed(root, *((("annotations", place, "category_id"), 2) for place in (0, 1, 2, 3)))
    with pytest.raises(ValueError, match=r"expected objects named 'face', found \['dog'\]"):
        CocoJson(category="face").entries(str(root))
    assert "all 4 boxes are of category 'dog' and are taken as faces" in review(CocoJson(), root)


def test_some_boxes_without_a_category_are_not_passed_over(root: Path) -> None:
    changed(root, (("annotations", 0, "category_id"), None), (("annotations", 2, "category_id"), 1))
    with pytest.raises(ValueError, match=r"found face \(3\), without a name \(1\); .*\.category=face takes one$"):
        CocoJson().entries(str(root))


def test_two_categories_of_one_name_are_both_meant(root: Path) -> None:
    changed(root, (("categories", 1, "name"), "face"))
    for data in (CocoJson(category="face"), CocoJson()):
        assert len(data.open(str(root))(data.entries(str(root))[0]).boxes) == 4
    assert "2 categories are named 'face'; the boxes of all count" in review(CocoJson(category="face"), root)


@pytest.mark.parametrize("flag", [0, 1, 0.0, 1.0, False, True, "0", "1", "false", "True", None])
def test_a_flag_means_what_it_says(root: Path, flag: Any) -> None:
    changed(root, (("annotations", 0, "iscrowd"), flag))
    sample = ALL.open(str(root))(ALL.entries(str(root))[0])
    assert bool(sample.levels["hard"][0]) is (flag not in (1, "1", "True"))


def test_a_box_that_repeats_another_is_one_face(root: Path) -> None:
    again = [dict(GOOD["annotations"][2], id=3, ignore=1), dict(GOOD["annotations"][2], id=3)]
    changed(root, (("annotations",), [*GOOD["annotations"], *again]))
    sample = ALL.open(str(root))(ALL.entries(str(root))[0])
    assert (len(sample.boxes), sample.levels["hard"].tolist()) == (4, [True, False, True, False])
    lines = review(ALL, root)
    assert "2 boxes repeat another one of their image exactly; each counts once" in lines
    assert any(line.endswith("annotations[*].id: 3 comes more than once, which changes nothing") for line in lines)


def review(data: CocoJson, root: Path) -> list[str]:
    """What the set has to say once its images are read."""
    read = data.open(str(root))
    rows = [read(entry).to_row() for entry in data.entries(str(root))]
    return data.review(str(root), (pa.Table.from_pylist([row], SAMPLES) for row in rows))


def test_a_good_set_says_what_counts_and_nothing_else(root: Path) -> None:
    assert review(ALL, root) == ["4 faces in 1 images; of them count: easy 1, medium 1, hard 2"]


def test_boxes_that_cannot_be_found_count_nowhere_with_a_remark(root: Path) -> None:
    boxes = [[5, 5, 0, 40], [5, 5, 40, -40], [80, 5, 20, 40], [5, -50, 20, 40], [79, 5, 20, 40], [10, 10, 50, 50]]
    annotations = [{"image_id": 7, "bbox": box} for box in boxes]
    changed(root, (("annotations",), annotations))
    data = CocoJson(doubts="report")
    sample = data.open(str(root))(data.entries(str(root))[0])
    assert sample.levels["hard"].tolist() == [False, False, False, False, True, True]
    lines = review(data, root)
    assert lines[0] == "6 faces in 1 images; of them count: easy 1, medium 2, hard 2"
    assert lines[1] == (
        "2 boxes have no area and 2 lie outside their image, they count in no subset; the first of 4 is "
        "[5, 5, 0, 40] in b.jpg of 80 x 70 pixels"
    )
    assert lines[2].startswith("1 boxes reach out of their image")
    with pytest.raises(ValueError, match=r"json: .*3 of 6 boxes reach out .*\[80, 5, 20, 40\] in b\.jpg .*size\?"):
        review(CocoJson(), root)


def test_sizes_that_are_not_the_images_are_refused_scaled_or_left(root: Path) -> None:
    changed(root, (("images", 0, "width"), 40), (("images", 0, "height"), 140))
    found = r"json: expected the widths and heights of the images, found 1 others: 40 x 140 for b\.jpg of 80 x 70"
    with pytest.raises(ValueError, match=found + r" pixels; --set <node>\.dataset\.sizes=scale .*sizes=ignore takes"):
        review(ALL, root)
    scaled, left = ALL.model_copy(update={"sizes": "scale"}), ALL.model_copy(update={"sizes": "ignore"})
    sample = scaled.open(str(root))(scaled.entries(str(root))[0])
    assert sample.boxes[0].tolist() == [3, 1, 23, 31]
    assert sample.levels["medium"].tolist() == [True, False, False, False]
    plain = left.open(str(root))(left.entries(str(root))[0])
    assert plain.boxes[0].tolist() == [1.5, 2, 11.5, 62]
    for data in (scaled, left):
        assert review(data, root)[0].startswith("4 faces in 1 images")
    changed(root, (("images", 0, "width"), 70), (("images", 0, "height"), 80))
    with pytest.raises(ValueError, match=r"70 x 80 for b\.jpg of 80 x 70 pixels, its sides exchanged \(turned by"):
        review(ALL, root)
    # As programs write unknown sizes.
    changed(root, (("images", 0, "width"), 0), (("images", 0, "height"), None))
    assert review(ALL, root)[0].startswith("4 faces in 1 images")


# Ten faces of 10 x 12 pixels and more, all over an image of 80 x 70.
FACES = [
    [x, y, 10.0 + x / 10, 12.0 + y / 10]
    for x, y in [(0, 0), (40, 0), (65, 3), (5, 30), (30, 28), (64, 30), (0, 48), (28, 50), (60, 48), (62, 20)]
]


@pytest.mark.parametrize(
    ("written", "says", "helps"),
    [
        (lambda x, y, w, h: [x, y, x + w, y + h], "they fit as x1, y1, x2, y2", {"form": "corners"}),
        (lambda x, y, w, h: [x + w / 2, y + h / 2, w, h], "they fit as centre x, centre y", {"form": "centre"}),
        (lambda x, y, w, h: [x / 80, y / 70, w / 80, h / 70], "look like shares of", {"units": "relative"}),
        (
            lambda x, y, w, h: [(x + w / 2) / 80, (y + h / 2) / 70, w / 80, h / 70],
            *("look like shares of", {"units": "relative", "form": "centre"}),
        ),
        (lambda x, y, w, h: [2 * x, 2 * y, 2 * w, 2 * h], "are they of images of another size", {}),
    ],
)
def test_boxes_of_another_form_are_refused_with_the_way_to_read_them(
    root: Path, written: Callable[..., list[float]], says: str, helps: dict[str, str]
) -> None:
    changed(root, (("annotations",), [{"image_id": 7, "bbox": written(*box)} for box in FACES]))
    with pytest.raises(ValueError, match=rf"annotations\.json: expected .*{says}") as caught:
        review(CocoJson(), root)
    first = next(iter(helps.items()), ("doubts", "report"))
    assert f"--set <node>.dataset.{first[0]}={first[1]}" in str(caught.value)
    if helps:
        data = CocoJson.model_validate(helps)
        sample = data.open(str(root))(data.entries(str(root))[0])
        expected = [[x, y, x + w, y + h] for x, y, w, h in FACES]
        assert sample.boxes.tolist() == [pytest.approx(box, abs=1e-4) for box in expected]
        assert sample.levels["hard"].all() and len(review(data, root)) == 1


def test_corners_are_known_by_the_areas_beside_them(root: Path) -> None:
    # All in the upper left: nothing reaches out of the image.
    corners = [[2, 3, 12, 15], [10, 10, 30, 40]]
    faces = [{"image_id": 7, "bbox": box, "area": (box[2] - box[0]) * (box[3] - box[1])} for box in corners]
    changed(root, (("annotations",), faces))
    with pytest.raises(ValueError, match=r"bbox: .*\[2, 3, 12, 15\] with area 120, .*<node>\.dataset\.form=corners"):
        CocoJson().entries(str(root))
    data = CocoJson(form="corners")
    assert data.open(str(root))(data.entries(str(root))[0]).boxes.tolist() == corners
    for box in faces:  # of a mask, an area is less than that of its box: no doubt
        box["area"] = 0.7 * box["bbox"][2] * box["bbox"][3]
    changed(root, (("annotations",), faces))
    assert CocoJson().entries(str(root))


def test_labels_of_a_smaller_size_are_odd(root: Path) -> None:
    small = [
        {"image_id": 7, "bbox": [x / 2, y / 2, w / 2, h / 2 - number]} for number in (0, 0.5) for x, y, w, h in FACES
    ]
    changed(root, (("annotations",), small))
    assert any("no box reaches beyond" in line and "smaller size" in line for line in review(CocoJson(), root))


def test_no_face_that_counts_is_a_remark(root: Path) -> None:
    changed(root, (("annotations",), [{"image_id": 7, "bbox": [5, 5, 5, 9]}]))
    lines = review(CocoJson(), root)
    assert lines[0] == "1 faces in 1 images; of them count: easy 0, medium 0, hard 0"
    assert lines[1].startswith("no face counts in any subset, so there is no AP")


def test_a_height_on_its_limit_is_not_lost_to_rounding(root: Path) -> None:
    changed(root, (("annotations",), [{"image_id": 7, "bbox": [0.1, 0.1, 10, 50]}]))  # 50.1 - 0.1 is below 50
    data = CocoJson()
    assert data.open(str(root))(data.entries(str(root))[0]).levels["easy"].all()


def test_other_files_are_refused(root: Path) -> None:
    for content, words in (
        ("{", "json: expected JSON, found that the file ends within it: cut off"),
        ("version https://git-lfs.github.com/spec/v1\n", "json: expected a JSON object, found a pointer of Git LFS"),
        ("<!doctype html>", "json: expected a JSON object, found an HTML page"),
        ("", "json: expected a JSON object, found an empty file"),
    ):
        (root / "annotations.json").write_text(content)
        with pytest.raises(ValueError, match=words):
            CocoJson().entries(str(root))
    (root / "annotations.json").write_text("[]")
    with pytest.raises(ValueError, match=r"json: expected a JSON object, found a JSON list without objects"):
        CocoJson().entries(str(root))
    with pytest.raises(FileNotFoundError, match=r"no annotation .*other\.json"):
        CocoJson(annotation="other.json").entries(str(root))


@pytest.mark.parametrize("field", ["annotation", "images"])
@pytest.mark.parametrize("value", ["/abs", "../up", "a/../../b"])
def test_names_stay_below_the_root(field: str, value: str) -> None:
    with pytest.raises(ValueError, match="relative to the dataset's root"):
        CocoJson.model_validate({field: value})


def test_five_key_points_are_landmarks(root: Path) -> None:
    points = [3, 4, 2, 8, 4.5, 1, 5, 6, 2, 4, 9, 2, 8, 9, 2]
    hidden = [*points[:6], 0, 0, 0, *points[9:]]
    changed(root, (("annotations", 0, "keypoints"), points), (("annotations", 1, "keypoints"), hidden))
    (sample,) = (ALL.open(str(root))(entry) for entry in ALL.entries(str(root))[:1])
    assert sample.landmarks is not None
    assert sample.landmarks[0].tolist() == [[3, 4], [8, 4.5], [5, 6], [4, 9], [8, 9]]
    assert np.isnan(sample.landmarks[1:]).all()
    scaled = CocoJson(category=("face", "dog"), units="relative", sizes="ignore")
    (other,) = (scaled.open(str(root))(entry) for entry in scaled.entries(str(root))[:1])
    assert other.landmarks is not None and other.landmarks[0, 0].tolist() == [3 * 80, 4 * 70]
    changed(root, (("annotations", 0, "keypoints"), ["x", *points[1:]]))
    with pytest.raises(ValueError, match=r"annotations\[0\]\.keypoints: expected five times x, y, visibility, found"):
        ALL.entries(str(root))


def test_key_points_change_the_version_of_their_image_only(root: Path) -> None:
    before = [entry.version for entry in ALL.entries(str(root))]
    changed(root, (("annotations", 0, "keypoints"), [1] * 15))
    after = [entry.version for entry in ALL.entries(str(root))]
    assert before[0] != after[0] and before[1] == after[1]


def test_a_file_of_a_store_is_fetched_once(
    tmp_path: Path, stored: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}
    (tmp_path / "set").mkdir()
    (tmp_path / "set/labels.json").write_text(json.dumps(content))
    fetched, plain = list[str](), ObjectPath.read_bytes
    monkeypatch.setattr(ObjectPath, "read_bytes", lambda self: fetched.append(str(self)) or plain(self))
    table = read_coco(file_path(f"{stored(tmp_path / 'set')}/labels.json"))
    assert (table.names, table.boxes.tolist(), len(fetched)) == (("a.jpg",), [[1, 2, 4, 6]], 1)
