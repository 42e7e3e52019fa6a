from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable
from pipeline.data.datasets.labels.yolo_text import YoloText, read_yolo, write_yolo
from pipeline.data.images import encode_jpeg


def _set(root: Path, images: dict[str, str | None], content: str = "") -> Path:
    """Writes images of 40 x 20 pixels, and the text of their label files, None for no file."""
    for name, text in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_jpeg(np.full((20, 40, 3), 90, np.uint8)))
        if text is not None:
            labels = (root / ("labels".join(name.rsplit("images", 1)))).with_suffix(".txt")
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text(text)
    if content:
        (root / "data.yaml").write_text(content)
    return root


def test_boxes_are_shares_and_an_image_without_a_file_has_no_face(tmp_path: Path) -> None:
    root = _set(tmp_path, {"images/val/a.jpg": "0 0.5 0.5 0.25 0.5\n\n", "images/val/b.jpg": None, "images/c.jpg": ""})
    table = read_yolo(root)
    assert (table.names, table.paths) == (
        ("c.jpg", "val/a.jpg", "val/b.jpg"),
        ("images/c.jpg", "images/val/a.jpg", "images/val/b.jpg"),
    )
    assert (table.relative, table.boxes.tolist()) == (True, [[0.375, 0.25, 0.625, 0.75]])
    assert table.remarks == ("1 images have no label file, and are taken as images without a face",)
    data = YoloText()
    entry = data.entries(str(root))[1]
    assert data.open(str(root))(entry).boxes.tolist() == [[15, 5, 25, 15]]


def test_roboflow_writes_its_folders_one_too_high_and_the_splits_apart(tmp_path: Path) -> None:
    content = "names: [face, hand]\ntrain: ../train/images\nval: ../valid/images\n"
    root = _set(
        tmp_path,
        {"train/images/a.jpg": "0 0.5 0.5 1 1\n1 0.5 0.5 1 0.5", "valid/images/b.jpg": "0 0.5 0.5 1 1"},
        content,
    )
    options = LabelOptions(("face",))
    assert read_yolo(root, options).names == ("train/a.jpg", "valid/b.jpg")
    assert read_yolo(root / "data.yaml", options, "val").names == ("valid/b.jpg",)
    with pytest.raises(ValueError, match=r"data\.yaml: expected test, found only train, val"):
        read_yolo(root, options, "test")
    with pytest.raises(ValueError, match=r"expected objects of one name, found face \(2\), hand \(1\)"):
        read_yolo(root)
    data = YoloText(category="face", split="train")
    assert [entry.path for entry in data.entries(str(root))] == ["train/images/a.jpg"]


def test_labels_beside_images_and_a_label_file_of_no_image(tmp_path: Path) -> None:
    root = _set(tmp_path, {"x/a.jpg": None, "images/b.jpg": "0 0.5 0.5 1 1"})
    (root / "x/a.txt").write_text("3 0.5 0.5 1 1")
    (root / "labels/gone.txt").write_text("")
    table = read_yolo(root, LabelOptions(("0", "3")))
    assert table.names == ("b.jpg", "x/a.jpg")
    assert table.remarks == ("1 label files belong to no image; the first is labels/gone.txt",)


@pytest.mark.parametrize("dims", [2, 3])
def test_five_key_points_are_landmarks(tmp_path: Path, dims: int) -> None:
    there, absent = (" 1", " 0") if dims == 3 else ("", "")
    seen = "".join(f" 0.5 0.25{there}" for _ in range(5))
    some = "".join(f" 0.5 0.25{there}" for _ in range(4)) + f" 0 0{absent}"
    content = f"names: {{0: face}}\nkpt_shape: [5, {dims}]\n"
    root = _set(tmp_path, {"images/a.jpg": f"0 0.5 0.5 1 1{seen}\n0 0.5 0.5 0.5 0.5{some}\n0 0.5 0.5 1 0.5"}, content)
    table = read_yolo(root)
    assert table.landmarks is not None
    assert table.landmarks[0].tolist() == [[0.5, 0.25]] * 5
    assert np.isfinite(table.landmarks).all(axis=(1, 2)).tolist() == [True, False, False]


def test_landmarks_of_some_faces_are_written_and_read(small: LabelTable, photographs: Path) -> None:
    write_yolo(small, photographs)
    data = YoloText()
    samples = [data.open(str(photographs))(entry) for entry in data.entries(str(photographs))]
    marks = samples[0].landmarks
    assert marks is not None and small.landmarks is not None
    np.testing.assert_allclose(marks[0], small.landmarks[0], atol=1e-4)
    assert np.isnan(marks[1]).all()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("0 0.5 0.5 1", "class cx cy w h: a whole number and four finite ones, found [0.0, 0.5, 0.5, 1.0]"),
        ("0.5 0.5 0.5 1 1", "class cx cy w h: a whole number and four finite ones"),
        ("face 0.5 0.5 1 1", "class cx cy w h: five finite numbers, found 'face 0.5 0.5 1 1'"),
        ("2 0.5 0.5 1 1", "a class of data.yaml, one of [0], found 2"),
        (
            "0 0.5 0.5 1 1 0.9",
            "class cx cy w h, or also five landmarks (x y visibility each): 5 or 20 numbers (six are a prediction",
        ),
        (
            "0 0.5 0.5 1 1 1 0 0 1",
            "class cx cy w h, or also five landmarks (x y visibility each): 5 or 20 numbers (other counts are polygons",
        ),
        ("0 320 240 50 50", "cx cy w h as shares of the image's sides, 0 to 1, found '0 320 240 50 50'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, row: str, words: str) -> None:
    root = _set(tmp_path, {"images/a.jpg": f"0 0.5 0.5 1 1\n{row}\n"}, "names: [face]\n")
    with pytest.raises(ValueError, match="expected") as error:
        read_yolo(root)
    assert str(error.value).startswith(f"{root / 'labels/a.txt'}:2: expected {words}")


def test_cvat_writes_labels_beside_images_and_the_names_of_classes_apart(tmp_path: Path) -> None:
    root = _set(tmp_path, {"obj_train_data/deep/a.jpg": "0 0.5 0.5 1 1"})
    (root / "obj.names").write_text("face\n")
    (root / "obj.data").write_text("classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n")
    (root / "train.txt").write_text("data/obj_train_data/deep/a.jpg\n")
    assert YoloText.label_form.matches(root)
    assert (read_yolo(root).names, read_yolo(root).categories) == (("obj_train_data/deep/a.jpg",), {"face": 1})


@pytest.mark.parametrize("image", ["a/b/c/images/train/x/1.jpg", "a/b/c/1.png", "a/b/images/1.jpeg"])
def test_a_folder_is_known_by_label_files_at_any_depth(tmp_path: Path, image: str) -> None:
    root = _set(tmp_path, {image: "0 0.5 0.5 1 1"})
    assert YoloText.label_form.matches(root)
    assert len(read_yolo(root).boxes) == 1
    next(root.rglob("1.txt")).write_text("1\n1 2 3 4 0.5\n")
    assert not YoloText.label_form.matches(root)


def test_no_label_file_at_all_is_refused(tmp_path: Path) -> None:
    root = _set(tmp_path, {"images/a.jpg": None})
    with pytest.raises(FileNotFoundError, match=r"expected labels/a\.txt and the like beside the images, found none"):
        read_yolo(root)
    (root / "images/a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="expected images with labels of YOLO, found none"):
        read_yolo(root)


def test_images_of_a_list_that_are_not_there_are_refused_or_left_out(tmp_path: Path) -> None:
    content = "names: [face]\ntrain: train.txt\n"
    root = _set(tmp_path, {"images/a.jpg": "0 0.5 0.5 1 1", "images/b.jpg": "0 0.5 0.5 1 1"}, content)
    (root / "train.txt").write_text("images/a.jpg\nimages/zz.jpg\na.jpg\n")
    table = read_yolo(root)
    assert table.paths == ("images/a.jpg", "a.jpg", "images/zz.jpg")
    assert table.remarks == ("2 images of a list are not there, and have no face here; the first is a.jpg",)
    with pytest.raises(FileNotFoundError, match=r"2 of 3 images named by .* are missing: a\.jpg, images/zz\.jpg"):
        YoloText().entries(str(root))
    assert [entry.path for entry in YoloText(missing="skip").entries(str(root))] == ["images/a.jpg"]
    (root / "train.txt").write_text("images/zz.jpg\n")
    with pytest.raises(FileNotFoundError, match=r"data\.yaml: expected images that are there, found none of the 1 in"):
        read_yolo(root)
