"""A ranker's input image: sizes, padding, and boxes that stay on the same content."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.boxes.box_table import box_table
from pipeline.data.canvas import Canvas
from pipeline.data.images import resize
from pipeline.models.rankers.preprocessing import Preprocessing, stored_preprocessing, trained_preprocessing

FILL = (103.53, 116.28, 123.675)
BOXES = np.float32([[10, 20, 40, 60], [-8, 30, 20, 200], [70, 10, 130, 50], [300, 300, 320, 320]])
SCORES = np.float32([0.9, 0.5, 0.4, 0.1])


def image(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("width", "height"), [(100, 80), (60, 90), (64, 64), (7, 200)])
def test_an_image_as_it_is(width: int, height: int) -> None:
    seen = Preprocessing().apply(image(width, height), BOXES, SCORES, 6, FILL)
    table, valid = box_table(BOXES, SCORES, width, height, 6)
    np.testing.assert_array_equal(seen.pixels, image(width, height))
    np.testing.assert_array_equal(seen.table, table)
    assert seen.valid == valid == 4


@pytest.mark.parametrize(
    ("width", "height", "side", "size"),
    [(100, 80, 50, (50, 40)), (60, 90, 180, (120, 180)), (64, 64, 64, (64, 64)), (100, 80, 100, (100, 80))],
)
def test_a_whole_image_in_the_corner_of_a_square(width: int, height: int, side: int, size: tuple[int, int]) -> None:
    preprocessing, given = trained_preprocessing(True, side), image(width, height)
    seen = preprocessing.apply(given, BOXES, SCORES, 6, FILL)
    assert preprocessing.size(width, height) == (side, side) == seen.pixels.shape[1::-1]
    np.testing.assert_array_equal(seen.pixels[: size[1], : size[0]], resize(given, *size))
    rest = np.ones((side, side), bool)
    rest[: size[1], : size[0]] = False
    assert (seen.pixels[rest] == (104, 116, 124)).all()
    inside = np.clip(BOXES, 0, [width, height] * 2) * (size[0] / width)
    found = seen.table[:4, :4] * side
    found[:, 2:] += found[:, :2]
    np.testing.assert_allclose(found, inside, atol=1e-4)
    np.testing.assert_array_equal(seen.table[:4, 4], SCORES)
    assert not seen.table[4:].any() and seen.valid == 4


def test_a_square_of_the_image_as_it_is() -> None:
    preprocessing = Preprocessing(square=True)
    assert preprocessing.size(60, 90) == (90, 90)
    np.testing.assert_array_equal(preprocessing.pixels(image(60, 90), FILL)[:, :60], image(60, 90))


@pytest.mark.parametrize("side", [40, 200])
def test_colours_change_where_there_are_fewer_pixels_and_never_in_the_padding(side: int) -> None:
    asked = []

    def inverted(pixels: np.ndarray) -> np.ndarray:
        asked.append(pixels.shape[:2])
        return 255 - pixels

    preprocessing = trained_preprocessing(True, side)
    seen, plain = preprocessing.pixels(image(100, 80), FILL, inverted), preprocessing.pixels(image(100, 80), FILL)
    inner = int(side * 0.8)
    assert asked == [(32, 40) if side == 40 else (80, 100)]
    assert (np.abs(seen[:inner].astype(int) - (255 - plain[:inner].astype(int))) <= 1).all()
    np.testing.assert_array_equal(seen[inner:], plain[inner:])


def test_a_checkpoint_says_how_its_ranker_sees() -> None:
    assert stored_preprocessing({"recipe": {"whole": True, "crop": 1024}}) == Preprocessing(Canvas(1024), square=True)
    assert stored_preprocessing({"recipe": {"whole": False, "crop": 1024}}) == Preprocessing()
    assert stored_preprocessing({"recipe": {"whole": True, "crop": 1}}).canvas == Canvas(1)
    assert stored_preprocessing({}) == stored_preprocessing({"recipe": None}) == Preprocessing()
    for crop in (None, "1024", 0):
        with pytest.raises(ValueError, match=r"recipe\.crop must be a size in pixels, found"):
            stored_preprocessing({"recipe": {"whole": True, "crop": crop}})
