"""Mirroring moves pixels, boxes and landmarks together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.training.augment.labelled_image import LabelledImage, mirror


def _scene() -> LabelledImage:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    boxes = np.float32([[3, 4, 9, 12], [20, 0, 30, 10]])
    return LabelledImage.of(image, boxes, rng.uniform(0, 20, (2, 5, 2)).astype(np.float32))


def test_boxes_follow_the_pixels() -> None:
    before = _scene()
    after = mirror(before)
    for old, new in zip(before.boxes.astype(int), after.boxes.astype(int), strict=True):
        a = before.image[old[1] : old[3], old[0] : old[2]]
        b = after.image[new[1] : new[3], new[0] : new[2]]
        np.testing.assert_array_equal(a[:, ::-1], b)


def test_left_and_right_change_places() -> None:
    before = _scene()
    after = mirror(before)
    for old, new in ((0, 1), (1, 0), (2, 2), (3, 4), (4, 3)):
        np.testing.assert_allclose(after.landmarks[:, new, 0], 30 - before.landmarks[:, old, 0])
        np.testing.assert_array_equal(after.landmarks[:, new, 1], before.landmarks[:, old, 1])


def test_twice_is_the_identity_and_the_original_stays() -> None:
    before, untouched = _scene(), _scene()
    again = mirror(mirror(before))
    np.testing.assert_array_equal(again.image, before.image)
    np.testing.assert_allclose(again.boxes, before.boxes)
    np.testing.assert_allclose(again.landmarks, before.landmarks, atol=1e-5)
    np.testing.assert_array_equal(before.boxes, untouched.boxes)
    np.testing.assert_array_equal(before.image, untouched.image)


@pytest.mark.wider
def test_published_vector(shared: Path) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    exclusive = np.array([0, 0, 1, 1], np.float32)  # released corners are the last pixels, ours the borders
    labelled = LabelledImage.of(z["img_bgr"], z["boxes"][:, :4].astype(np.float32) + exclusive)
    turned = mirror(labelled)
    np.testing.assert_allclose(turned.boxes, z["flip_boxes"][:, :4] + exclusive, atol=1e-4)
    np.testing.assert_array_equal(turned.image, z["img_bgr"][:, ::-1])
    assert turned.rows.tolist() == [0, 1, 2, 3, 4]
