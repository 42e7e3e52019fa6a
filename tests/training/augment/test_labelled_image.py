"""A labelled image refuses arrays that do not fit together and keeps its rows together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.training.augment.labelled_image import LabelledImage, drop_small_faces, face_scales, has_area

IMAGE = np.zeros((8, 9, 3), np.uint8)
BOXES = np.array([[0, 0, 4, 9], [1, 1, 1, 5], [2, 2, 3, 3]], np.float32)


def test_defaults() -> None:
    labelled = LabelledImage.of(IMAGE, BOXES)
    assert labelled.rows.tolist() == [0, 1, 2] and labelled.valid.all()
    assert np.isnan(labelled.landmarks).all()


def test_taking_keeps_rows_together() -> None:
    points = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    valid = np.array([True, False, True])
    labelled = LabelledImage.of(IMAGE, BOXES, points, valid)
    once = labelled.take(np.array([False, True, True]))
    twice = once.take(np.array([False, True]))
    assert once.rows.tolist() == [1, 2] and twice.rows.tolist() == [2]
    assert once.valid.tolist() == [False, True]
    np.testing.assert_array_equal(twice.boxes, BOXES[2:])
    np.testing.assert_array_equal(twice.landmarks, points[2:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": IMAGE[:0]}, r"image is uint8 \(0, 9, 3\)"),
        ({"image": IMAGE.astype(np.float64)}, "image is float64"),
        ({"landmarks": np.zeros((2, 5, 2), np.float32)}, r"landmarks have shape \(2, 5, 2\), expected \(3, 5, 2\)"),
        ({"valid": np.ones(4, bool)}, r"valid have shape \(4,\)"),
    ],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelledImage.of(**{"image": IMAGE, "boxes": BOXES, **change})  # type: ignore[arg-type]


def test_scales() -> None:
    assert has_area(BOXES).tolist() == [True, False, True]
    np.testing.assert_allclose(face_scales(BOXES), [6, 0, 1])
    assert face_scales(BOXES[:0]).shape == (0,)


def test_workers_that_augment_load_no_torch() -> None:
    code = "import sys, pipeline.training.augment.policy; print(sorted({'torch', 'cv2', 'ray'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.wider
@pytest.mark.parametrize("case", ["filter", "filter_allsmall"])
def test_small_faces_of_the_released_code(shared: Path, case: str) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    exclusive = np.array([0, 0, 1, 1], np.float32)  # released corners are the last pixels
    labelled = LabelledImage.of(IMAGE, z[f"{case}_in"][:, :4].astype(np.float32) + exclusive)
    np.testing.assert_allclose(drop_small_faces(labelled).boxes, z[f"{case}_out"][:, :4] + exclusive, rtol=1e-6)


def test_small_faces_are_dropped_unless_all_are_small() -> None:
    boxes = np.array([[0, 0, 8, 8], [0, 0, 7.9, 8], [0, 0, 4, 16]], np.float32)
    assert drop_small_faces(LabelledImage.of(IMAGE, boxes)).rows.tolist() == [0, 2]
    assert drop_small_faces(LabelledImage.of(IMAGE, boxes), min_face=20).rows.tolist() == [0, 1, 2]
    assert drop_small_faces(LabelledImage.of(IMAGE, boxes[:0])).boxes.shape == (0, 4)
