"""Drawn faces: deterministic anywhere, within bounds, apart from each other, and really drawn where the box is."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.datasets import Synthetic
from pipeline.data.images import decode
from pipeline.engine.fingerprint import hash_bytes

CODE = """
from pipeline.data.datasets import Synthetic
from pipeline.engine.fingerprint import hash_bytes
image, boxes, marks = Synthetic(seed=3, split="train").draw(5)
print(hash_bytes(image.tobytes() + boxes.tobytes() + marks.tobytes()))
"""


def test_another_process_draws_the_same() -> None:
    image, boxes, marks = Synthetic(seed=3, split="train").draw(5)
    other = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout.strip()
    assert hash_bytes(image.tobytes() + boxes.tobytes() + marks.tobytes()) == other


def test_boxes_are_the_same_on_every_machine() -> None:
    # Frozen: _DRAWING_VERSION must rise when these numbers change.
    boxes = Synthetic(seed=0, split="test").draw(0)[1]
    assert boxes[0].tolist() == pytest.approx([40.08, 93.71, 108.88, 185.55], abs=0.01)


def test_small_images_are_remembered_and_never_taken_for_those_of_another_set() -> None:
    sets = [
        Synthetic(images=2, width=32, height=32, seed=seed, split=split)
        for seed in (0, 1)
        for split in ("train", "test")
    ]
    assert all(
        each.image_bytes("", path) is each.image_bytes("", path) for each in sets for path in [each.entries()[1].path]
    )
    assert len({each.image_bytes("", entry.path) for each in sets for entry in each.entries()}) == 8
    large = Synthetic(images=1, width=257, height=256)
    once, again = (large.image_bytes("", "test/000000.png") for _ in range(2))
    assert once == again and once is not again


@given(seed=st.integers(0, 2**40), width=st.integers(32, 300), height=st.integers(32, 300), index=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_geometry_of_any_image(seed: int, width: int, height: int, index: int) -> None:
    data = Synthetic(seed=seed, width=width, height=height)
    image, boxes, marks = data.draw(index)
    assert image.shape == (height, width, 3) and image.dtype == np.uint8 and 1 <= len(boxes) <= 8
    assert (boxes[:, :2] >= -1e-3).all() and (boxes[:, 2:] <= np.array([width, height]) + 1e-3).all()
    heights = boxes[:, 3] - boxes[:, 1]
    assert heights.min() >= 8 and heights.max() <= min(width, height) / 2 * 1.001
    assert marks.shape == (len(boxes), 5, 2) and (marks >= boxes[:, None, :2]).all()
    assert (marks <= boxes[:, None, 2:]).all()
    assert (marks[:, 0, 0] < marks[:, 1, 0]).all()  # left eye left of the right one, mouth below the eyes
    assert (marks[:, 3:, 1].mean(axis=1) > marks[:, :2, 1].mean(axis=1)).all()
    for first in range(len(boxes)):
        for second in range(first):
            low, high = np.maximum(boxes[first, :2], boxes[second, :2]), np.minimum(boxes[first, 2:], boxes[second, 2:])
            assert (high - low).min() <= 0  # faces do not overlap at all


def test_faces_are_drawn_inside_their_boxes() -> None:
    # The same stream without faces would show background there: skin is far less blue than red, backgrounds are not.
    difference = []
    for index in range(40):
        image, boxes, _ = Synthetic(seed=1).draw(index)
        for x1, y1, x2, y2 in boxes[boxes[:, 3] - boxes[:, 1] > 24]:
            middle = image[int(y1 * 0.55 + y2 * 0.45) : int(y2 * 0.7 + y1 * 0.3), int(x1) + 3 : int(x2) - 3]
            difference.append(float(middle[..., 2].mean()) - float(middle[..., 0].mean()))
    assert len(difference) > 40 and np.mean(np.array(difference) > 0) > 0.85


def test_splits_seeds_and_indices_differ() -> None:
    images = [
        Synthetic(seed=seed, split=split).draw(index)[0].tobytes()  # type: ignore[arg-type]
        for seed in (0, 1)
        for split in ("train", "test")
        for index in (0, 1)
    ]
    assert len(set(images)) == 8


def test_bytes_decode_to_what_was_drawn() -> None:
    data = Synthetic(images=3)
    entry = data.entries("")[2]
    assert (entry.image_id, entry.path) == ("test/000002", "test/000002.png")
    np.testing.assert_array_equal(decode(data.image_bytes("", entry.path)), data.draw(2)[0])


@pytest.mark.parametrize("path", ["test/000003.png", "train/000000.png", "test/1.png", "../test/000000.png"])
def test_foreign_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"not an image of this set, whose paths end with test/000002\.png"):
        Synthetic(images=3).image_bytes("", path)


def test_samples_agree_with_the_drawing_and_are_graded_by_height() -> None:
    data = Synthetic(images=30)
    read = data.open("")
    graded = {"easy": 0, "medium": 0, "hard": 0}
    for index, entry in enumerate(data.entries("")):
        sample = read(entry)
        np.testing.assert_array_equal(sample.boxes, data.draw(index)[1])
        heights = sample.boxes[:, 3] - sample.boxes[:, 1]
        for level, least in (("easy", 32), ("medium", 16), ("hard", 8)):
            np.testing.assert_array_equal(sample.levels[level], heights >= least)
            graded[level] += int(sample.levels[level].sum())
    assert 0 < graded["easy"] < graded["medium"] < graded["hard"]
    assert graded["hard"] == sum(len(read(entry).boxes) for entry in data.entries(""))


def test_more_images_keep_the_first_stamps() -> None:
    few, many = Synthetic(images=5).entries(""), Synthetic(images=8).entries("")
    assert many[:5] == few and Synthetic(images=5, seed=1).entries("")[0].version != few[0].version
    assert Synthetic(images=5, width=255).entries("")[0].version != few[0].version
