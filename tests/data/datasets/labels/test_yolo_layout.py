from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.yolo_layout import image_name_of, label_path, read_layout


@pytest.mark.parametrize(
    ("image", "labels", "name"),
    [
        ("images/train/a.jpg", "labels/train/a.txt", "train/a.jpg"),
        ("train/images/a.b.png", "train/labels/a.b.txt", "train/a.b.png"),
        ("images/old/images/a.jpg", "images/old/labels/a.txt", "images/old/a.jpg"),
        ("a.jpg", "a.txt", "a.jpg"),
        ("images", "images.txt", "images"),
    ],
)
def test_the_last_folder_images_is_labels(image: str, labels: str, name: str) -> None:
    assert (label_path(image), image_name_of(image)) == (labels, name)


def test_lists_of_images_and_a_base_folder(tmp_path: Path) -> None:
    images = [f"set/images/{name}.jpg" for name in "abc"]
    for image in images:
        (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / image).touch()
    (tmp_path / "set/train.txt").write_text(f"./images/a.jpg\n{tmp_path / 'set/images/b.jpg'}\n\n")
    (tmp_path / "data.yaml").write_text("path: set\ntrain: train.txt\nval: [images]\nnames: [face]\n")
    root, layout = read_layout(tmp_path)
    assert root == tmp_path
    assert set(layout.images(root, "train", images)) == set(images[:2])
    assert set(layout.images(root, "val", images)) == set(images)


def test_the_path_of_another_machine_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    text = "path: /home/somebody/set\ntrain: images\nval: /home/me/set/images\ntest: nowhere\nnames: {0: face}\n"
    (tmp_path / "data.yaml").write_text(text)
    root, layout = read_layout(tmp_path / "data.yaml")
    for split in ("train", "val"):
        assert list(layout.images(root, split, ["images/a.jpg", "other/b.jpg"])) == ["images/a.jpg"]
    with pytest.raises(
        FileNotFoundError, match=r"data\.yaml: expected a folder or list of images below .*, found 'nowhere'"
    ):
        list(layout.images(root, "test", []))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: [", "expected YAML, found that while parsing"),
        ("names: 3", "names: expected a list of classes, or number: name, found 3"),
        ("names: [face]\ntrain: 3", "train: expected a folder, a text file or a list of them, found 3"),
        ("names: [face]\nkpt_shape: 5", "kpt_shape: expected [points, 2 or 3], found 5"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_layout(tmp_path / "data.yaml")
    assert str(error.value).startswith(f"{tmp_path / 'data.yaml'}: {words}")
    assert "\n" not in str(error.value)


def test_several_files_with_names_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml"):
        (tmp_path / name).write_text("names: [face]")
    (tmp_path / "hyp.yaml").write_text("lr: 1")
    with pytest.raises(ValueError, match=r"expected one data\.yaml, found a\.yaml, b\.yml"):
        read_layout(tmp_path)


def test_names_of_classes_without_a_data_yaml(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("Face\nHand\n\n")
    root, layout = read_layout(tmp_path)
    assert (root, layout.names, layout.splits) == (tmp_path, {0: "Face", 1: "Hand"}, {})
    assert layout.category(tmp_path / "a.txt", 1, [1, 0.5, 0.5, 0.1, 0.1]) == "Hand"
    with pytest.raises(ValueError, match=r"a\.txt:1: expected a class of classes\.txt, one of \[0, 1\], found 2"):
        layout.category(tmp_path / "a.txt", 1, [2, 0.5, 0.5, 0.1, 0.1])
    (tmp_path / "data.yaml").write_text("names: [face]\n")
    assert read_layout(tmp_path)[1].names == {0: "face"}


@pytest.mark.parametrize("name", ["obj.names", "_darknet.labels"])
def test_names_of_classes_as_darknet_has_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("face\nhand\n")
    root, layout = read_layout(tmp_path)
    assert (root, layout.names, layout.file) == (tmp_path, {0: "face", 1: "hand"}, tmp_path / name)


def test_a_list_whose_paths_begin_with_a_folder_that_is_not_there(tmp_path: Path) -> None:
    lines = ["data/images/train/a.jpg", "images/train/b.jpg", "/home/me/set/images/c.jpg", "D:\\set\\images\\d.jpg"]
    (tmp_path / "train.txt").write_text("\n".join([*lines, "other/images/c.jpg", "/gone.jpg"]))
    (tmp_path / "data.yaml").write_text("names: {0: face}\npath: .\ntrain: train.txt\n")
    images = ["images/train/a.jpg", "images/train/b.jpg", "images/c.jpg", "images/d.jpg"]
    found = list(read_layout(tmp_path)[1].images(tmp_path, "train", images))
    assert found == [*images, "other/images/c.jpg", "/gone.jpg"]


def test_a_list_in_a_folder_may_have_paths_of_another_machine(tmp_path: Path) -> None:
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text("C:\\data\\set\\images\\a.png\n../images/b.png\nC:\\gone.png\n")
    (tmp_path / "data.yaml").write_text("names: {0: face}\ntrain: splits/train.txt\n")
    found = list(read_layout(tmp_path)[1].images(tmp_path, "train", ["images/a.png", "images/b.png"]))
    assert found == ["images/a.png", "images/b.png", "C:/gone.png"]
