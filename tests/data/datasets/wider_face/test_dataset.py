"""WIDER FACE on disk: entries, versions, samples, and incomplete folders."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.datasets import WiderFace
from pipeline.data.images import encode_jpeg
from pipeline.data.schemas import LEVELS, SAMPLES

TRAIN = WiderFace(split="train")


def annotation(root: Path) -> Path:
    return root / "wider_face_split" / "wider_face_train_bbx_gt.txt"


def test_entries_are_sorted_and_relative(wider_root: Path) -> None:
    entries = TRAIN.entries(str(wider_root))
    assert [entry.image_id for entry in entries] == ["0--Parade/a", "0--Parade/b", "1--Handshaking/c"]
    assert entries[0].path == "WIDER_train/images/0--Parade/a.jpg" and TRAIN.entries(str(wider_root)) == entries


def test_samples_carry_boxes_attributes_and_levels(wider_root: Path) -> None:
    read = TRAIN.open(str(wider_root))
    empty, two, one = (read(entry) for entry in TRAIN.entries(str(wider_root)))
    assert empty.boxes.shape == (0, 4)
    assert two.boxes.tolist() == [[10, 20, 70, 90], [5, 5, 3, 5]]  # kept as published, w = -2 and all
    values = {"blur": [1, 0], "expression": [0, 1], "illumination": [1, 0], "invalid": [0, 1]}
    values |= {"occlusion": [2, 0], "pose": [0, 1]}
    assert {name: found.tolist() for name, found in two.attributes.items()} == values
    assert {name: flags.tolist() for name, flags in two.levels.items()} == {level: [True, False] for level in LEVELS}
    assert {name: flags.tolist() for name, flags in one.levels.items()} == {
        "easy": [False],
        "medium": [True],
        "hard": [True],
    }
    assert (two.width, two.height, two.error) == (40, 30, None)
    assert TRAIN.image_bytes(str(wider_root), two.path) == (wider_root / two.path).read_bytes()


def versions(root: Path) -> dict[str, str]:
    return {entry.image_id: entry.version for entry in TRAIN.entries(str(root))}


def test_a_changed_label_changes_that_version_only(wider_root: Path) -> None:
    before = versions(wider_root)
    file = annotation(wider_root)
    file.write_text(file.read_text().replace("1 2 3 30", "1 2 3 31"))
    after = versions(wider_root)
    assert [name for name in before if before[name] != after[name]] == ["1--Handshaking/c"]


def test_a_changed_image_changes_that_version_only(wider_root: Path, write_image: Callable[..., Path]) -> None:
    before = versions(wider_root)
    write_image(wider_root / "WIDER_train/images/0--Parade/b.jpg", width=99)
    after = versions(wider_root)
    assert [name for name in before if before[name] != after[name]] == ["0--Parade/b"]


def test_unreadable_images_become_errors_with_their_faces(wider_root: Path) -> None:
    file = wider_root / "WIDER_train/images/0--Parade/b.jpg"
    for data, message in ((b"", "empty"), (b"not a photo", "not an image"), (file.read_bytes()[:-2], "truncated")):
        file.write_bytes(data)
        entry = TRAIN.entries(str(wider_root))[1]
        sample = TRAIN.open(str(wider_root))(entry)
        assert sample.error is not None and message in sample.error
        assert (sample.width, sample.height, len(sample.boxes)) == (0, 0, 2)
    file.unlink()
    assert "cannot read the file" in str(TRAIN.open(str(wider_root))(entry).error)


def test_missing_images_are_refused_or_skipped(wider_root: Path) -> None:
    os.remove(wider_root / "WIDER_train/images/0--Parade/b.jpg")
    advice = r"1 of 3 images named by .*train_bbx_gt.txt .*0--Parade/b.jpg; --set <node>\.dataset\.missing=skip"
    with pytest.raises(FileNotFoundError, match=advice):
        TRAIN.entries(str(wider_root))
    skipping, said = WiderFace(split="train", missing="skip"), list[str]()
    entries = skipping.entries(str(wider_root), said.append)
    assert [entry.image_id for entry in entries] == ["0--Parade/a", "1--Handshaking/c"]
    (line,) = said
    assert line.startswith("left out 1 of 3 images named by ")
    assert line.endswith("not there: WIDER_train/images/0--Parade/b.jpg")


def test_nothing_present_is_refused_even_when_skipping(wider_root: Path) -> None:
    for file in (wider_root / "WIDER_train").rglob("*.jpg"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match="3 of 3 images"):
        WiderFace(split="train", missing="skip").entries(str(wider_root))


def test_missing_pieces_are_named(wider_root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no annotation wider_face_val_bbx_gt\.txt; .*wider_face_split"):
        WiderFace().entries(str(wider_root))
    annotation(wider_root).rename(wider_root / "wider_face_val_bbx_gt.txt")
    with pytest.raises(FileNotFoundError, match="no folder WIDER_val/images"):
        WiderFace().entries(str(wider_root))
    for name in ("wider_face_val.mat", "wider_easy_val.mat", "wider_medium_val.mat"):
        (wider_root / name).touch()  # all four are needed
    with pytest.raises(FileNotFoundError, match=r"no folder with wider_face_val\.mat"):
        WiderFace(subsets="official").entries(str(wider_root))


def test_a_list_chooses_images(wider_root: Path, tmp_path: Path) -> None:
    everything = TRAIN.entries(str(wider_root))
    chosen = everything[1]
    (tmp_path / "list.txt").write_text(f"{chosen.image_id}.jpg\n\n", encoding="utf-8")
    some = WiderFace(split="train", only=str(tmp_path / "list.txt"))
    assert some.entries(str(wider_root)) == [chosen]
    assert some.open(str(wider_root))(chosen).content_hash == TRAIN.open(str(wider_root))(chosen).content_hash
    assert some.model_dump() == TRAIN.model_dump()


def review(root: Path, data: WiderFace = TRAIN) -> list[str]:
    read = data.open(str(root))
    rows = [read(entry).to_row() for entry in data.entries(str(root))]
    return data.review(str(root), [pa.Table.from_pylist(rows, SAMPLES)])


def labelled(root: Path, boxes: list[list[int]], width: int = 400, height: int = 300) -> None:
    """Writes one image of some size, and its boxes as four numbers each."""
    rows = "".join(f"{a} {b} {c} {d} 0 0 0 0 0 0 \n" for a, b, c, d in boxes)
    annotation(root).write_text(f"0--Parade/a.jpg\n{len(boxes)}\n{rows}")
    pixels = np.full((height, width, 3), 90, np.uint8)
    (root / "WIDER_train/images/0--Parade/a.jpg").write_bytes(encode_jpeg(pixels))


FACES = [
    (x, y, 40 + x // 20, 50) for x, y in [(0, 0), (150, 10), (340, 20), (20, 120), (200, 130), (320, 240), (50, 245)]
]


def test_labels_say_what_counts_and_what_is_odd(wider_root: Path) -> None:
    lines = review(wider_root, WiderFace(split="train", doubts="report"))
    assert lines[0] == "3 faces in 2 images; of them count: easy 1, medium 2, hard 2"
    first = "[5, 5, -2, 0] in 0--Parade/b of 40 x 30 pixels"
    assert (
        lines[1] == f"1 boxes have no area and 0 lie outside their image, kept as published; the first one is {first}"
    )
    labelled(wider_root, [list(face) for face in FACES])
    assert review(wider_root) == ["7 faces in 1 images; of them count: easy 7, medium 7, hard 7"]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (lambda x, y, w, h: [x, y, x + w, y + h], "they fit as x1, y1, x2, y2: convert them to x, y, width, height"),
        (lambda x, y, w, h: [x + w // 2, y + h // 2, w, h], "they fit as centre x, centre y, width, height: convert"),
        (lambda x, y, w, h: [3 * x, 3 * y, 3 * w, 3 * h], "are they of images of another size"),
    ],
)
def test_labels_of_another_form_or_size_are_refused(
    wider_root: Path, written: Callable[..., list[int]], says: str
) -> None:
    labelled(wider_root, [written(*face) for face in FACES])
    with pytest.raises(ValueError, match=rf"train_bbx_gt\.txt: expected .*{says}.*<node>\.dataset\.doubts=report"):
        review(wider_root)
    assert says[:20] in review(wider_root, WiderFace(split="train", doubts="report"))[-1]


@pytest.mark.wider
def test_the_real_images_fit_their_labels(shared: Path) -> None:
    data = WiderFace(missing="skip")
    lines = review(shared / "data" / "wider_images", data)
    assert lines[0] == "4,838 faces in 495 images; of them count: easy 1,115, medium 1,871, hard 4,142"
    assert all("boxes have no area" in line or "reach out of their image" in line for line in lines[1:])


def test_a_list_that_does_not_fit_is_refused(wider_root: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\nnowhere/nothing.jpg\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.txt, line 2: .*'nowhere/nothing\.jpg'"):
        WiderFace(split="train", only=str(tmp_path / "list.txt")).entries(str(wider_root))
    with pytest.raises(FileNotFoundError, match="gone"):
        WiderFace(split="train", only=str(tmp_path / "gone.txt")).entries(str(wider_root))


@pytest.mark.parametrize("place", ["", "wider_face_split", "ground_truth", "../wider_val_gt"])
def test_annotation_is_found_in_each_documented_place(wider_root: Path, place: str) -> None:
    target = wider_root / place / "wider_face_train_bbx_gt.txt"
    target.parent.mkdir(exist_ok=True)
    annotation(wider_root).rename(target)
    assert len(TRAIN.entries(str(wider_root))) == 3


@pytest.mark.parametrize("wrong", [{"annotation": "mat"}, {"subsets": "official"}])
def test_training_has_no_mat_files(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"split 'train' has no \.mat"):
        WiderFace.model_validate({"split": "train", **wrong})


@pytest.mark.wider
def test_the_real_validation_images(shared: Path) -> None:
    root = str(shared / "data" / "wider_images")
    with pytest.raises(FileNotFoundError, match="2731 of 3226 images"):
        WiderFace().entries(root)
    text, mat = WiderFace(missing="skip"), WiderFace(missing="skip", annotation="mat")
    entries = text.entries(root)
    assert len(entries) == 495
    assert [entry.image_id for entry in mat.entries(root)] == [entry.image_id for entry in entries]
    read, other = text.open(root), mat.open(root)
    faces = different = 0
    for entry in entries:
        sample, twin = read(entry), other(entry)
        assert sample.error is None and sample.width == 1024
        faces += len(sample.boxes)
        assert sample.content_hash == twin.content_hash
        different += int((sample.boxes != twin.boxes).sum())
        for name, values in sample.attributes.items():
            np.testing.assert_array_equal(values, twin.attributes[name])
        for name, flags in sample.levels.items():
            np.testing.assert_array_equal(flags, twin.levels[name])
    assert faces == 4838
    assert different == 1  # the one box, of 39_Ice_Skating_iceskiing_39_583, that is -2 wide in the .mat


@pytest.mark.wider
def test_the_real_training_images(shared: Path) -> None:
    root = str(shared / "data" / "wider_images")
    data = WiderFace(split="train", missing="skip")
    read = data.open(root)
    samples = [read(entry) for entry in data.entries(root)]
    assert len(samples) == 18 and sum(len(sample.boxes) for sample in samples) == 1149
    assert all(sample.error is None for sample in samples)
