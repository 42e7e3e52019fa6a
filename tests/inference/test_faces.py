"""Blurred faces keep a few colours of the original and nothing else; crops hold the face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.inference.faces import BLUR_CELLS, blur_faces, crop_faces

GENERATOR = np.random.default_rng(5)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_outside_of_the_ellipse_nothing_changes_and_inside_everything() -> None:
    image = GENERATOR.integers(0, 256, (120, 160, 3), np.uint8)
    before = image.copy()
    blurred = blur_faces(image, boxes((60, 40, 100, 80)))
    np.testing.assert_array_equal(image, before)
    y, x = np.mgrid[:120, :160]
    # The box and a fifth of its sides around it: centre (80, 60), half axes 28.
    inside = ((x + 0.5 - 80) / 26) ** 2 + ((y + 0.5 - 60) / 26) ** 2 <= 1
    outside = ((x + 0.5 - 80) / 30) ** 2 + ((y + 0.5 - 60) / 30) ** 2 >= 1
    np.testing.assert_array_equal(blurred[outside], image[outside])
    assert (blurred[inside] != image[inside]).any(axis=1).mean() > 0.98


def test_what_is_left_of_a_face_is_a_few_means() -> None:
    """Noise of mean 128 becomes nearly grey: each cell is the mean of (56 / 6)^2 pixels, 8 levels off in 74 at most."""
    image = GENERATOR.integers(0, 256, (120, 160, 3), np.uint8)
    centre = blur_faces(image, boxes((60, 40, 100, 80)))[45:75, 65:95].astype(int)
    cells = 56 / BLUR_CELLS
    assert centre.std() < 2 * 74 / cells
    assert abs(centre.mean() - 128) < 6


@pytest.mark.parametrize("side", [4, 40, 400])
def test_two_faces_that_differ_in_detail_alone_look_the_same(side: int) -> None:
    """Stripes finer than a cell, in two directions, cannot be distinguished afterwards beyond their mean."""
    image = np.full((2 * side, 2 * side, 3), 100, np.uint8)
    image[::2] = 140
    turned = image.transpose(1, 0, 2).copy()
    box = boxes((side / 2, side / 2, side * 1.5, side * 1.5))
    middle = slice(side - side // 4, side + side // 4)
    one, other = (blur_faces(each, box)[middle, middle].astype(int) for each in (image, turned))
    if side > 4:
        assert np.abs(one - other).max() <= 24
    assert one.shape == other.shape


def test_boxes_at_the_border_and_beyond_it() -> None:
    image = GENERATOR.integers(0, 256, (50, 60, 3), np.uint8)
    far = boxes((-20, -20, 10, 10), (55, 45, 90, 90), (-500, -500, -400, -400), (30, 30, 30, 30))
    blurred = blur_faces(image, far)
    assert blurred.shape == image.shape
    assert (blurred[:4, :4] != image[:4, :4]).any()
    crops = list(crop_faces(image, far))
    assert [crop.size > 0 for crop in crops] == [True] * 4
    np.testing.assert_array_equal(crops[0], image[:19, :19])


def test_no_face_is_a_copy() -> None:
    image = GENERATOR.integers(0, 256, (20, 30, 3), np.uint8)
    blurred = blur_faces(image, boxes())
    np.testing.assert_array_equal(blurred, image)
    assert not np.shares_memory(blurred, image)
    assert list(crop_faces(image, boxes())) == []


def test_a_crop_is_the_box_and_three_tenths_around_it() -> None:
    image = GENERATOR.integers(0, 256, (100, 100, 3), np.uint8)
    (crop,) = crop_faces(image, boxes((40, 30, 60, 70)))
    np.testing.assert_array_equal(crop, image[18:82, 34:66])
    assert not np.shares_memory(crop, image)
    assert cv2.imencode(".png", crop)[0]
