from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.canvas import Canvas, parse_canvas
from pipeline.data.records import Detections, ScoredBoxes
from pipeline.inference.redetection import Redetection, crop_window

ORIGINAL = parse_canvas("original")


class WhitePixels:
    """Finds the box around the white pixels of an image, whose score is their share of it."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def candidates(self, image_bgr: np.ndarray, canvas: Canvas) -> ScoredBoxes:
        self.sizes.append(image_bgr.shape[:2])
        white = (image_bgr == 255).all(axis=2)
        if not white.any():
            return ScoredBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
        return ScoredBoxes(box, np.array([white.mean()], np.float32))


def drawn() -> np.ndarray:
    """An image of 100 x 80 px with one white square from (20, 30) to (40, 50)."""
    image = np.zeros((80, 100, 3), np.uint8)
    image[30:50, 20:40] = 255
    return image


def found(*rows: tuple[float, ...]) -> Detections:
    table = np.array(rows, np.float32)
    return Detections(
        "a", 100, 80, table[:, :4], table[:, 4], np.arange(10 * len(rows), dtype=np.float32).reshape(-1, 5, 2)
    )


def test_a_box_that_is_found_again_has_its_new_score_and_one_that_is_not_has_none() -> None:
    finder = WhitePixels()
    given = found((60, 10, 80, 30, 0.9), (20, 30, 40, 50, 0.8), (22, 31, 42, 51, 0.4))
    again = Redetection(0.5, 2, ORIGINAL, 0.5).rescore(finder, drawn(), given)
    assert finder.sizes == [(40, 40), (40, 40)]
    # In its crop of twice the sides the square is a quarter; the first box has nothing in it, the last is not examined.
    assert again.boxes.tolist() == [[22, 31, 42, 51], [20, 30, 40, 50], [60, 10, 80, 30]]
    assert again.scores == pytest.approx([0.4, 0.25, 0])
    assert again.landmarks is not None and given.landmarks is not None
    assert np.array_equal(again.landmarks, given.landmarks[[2, 1, 0]])


def test_another_box_in_the_crop_is_not_the_same_one() -> None:
    given = found((30, 40, 50, 60, 0.9))  # overlaps the square by 100 of 700
    assert Redetection(0.5, 3, ORIGINAL, 0.5).rescore(WhitePixels(), drawn(), given).scores.tolist() == [0]
    assert Redetection(0.5, 3, ORIGINAL, 0.1).rescore(WhitePixels(), drawn(), given).scores[0] > 0.05


def test_a_score_is_reached_with_equality_and_no_box_at_all_is_nothing() -> None:
    finder = WhitePixels()
    Redetection(0.5, 2, ORIGINAL, 0.5).rescore(finder, drawn(), found((20, 30, 40, 50, 0.5)))
    assert len(finder.sizes) == 1
    empty = Detections("a", 100, 80)
    assert len(Redetection(0.5, 2, ORIGINAL, 0.5).rescore(finder, drawn(), empty).boxes) == 0


def test_a_box_outside_the_image_or_without_area_is_not_found_again() -> None:
    finder = WhitePixels()
    given = found((200, 200, 220, 220, 0.9), (30, 40, 30, 40, 0.8))
    assert Redetection(0.5, 2, ORIGINAL, 0.5).rescore(finder, drawn(), given).scores.tolist() == [0, 0]
    assert finder.sizes == []


@pytest.mark.parametrize(
    ("box", "context", "window"),
    [
        ((20, 30, 40, 50), 1, (20, 30, 40, 50)),
        ((20, 30, 40, 50), 3, (0, 10, 60, 70)),
        ((20, 30, 40, 50), 4, (0, 0, 70, 80)),  # beyond the left, upper and lower border
        ((20.4, 30.4, 40.6, 50.6), 1, (20, 30, 41, 51)),
        ((90, 70, 120, 95), 2, (75, 57, 100, 80)),
    ],
)
def test_a_window_is_of_whole_pixels_within_the_image(
    box: tuple[float, ...], context: float, window: tuple[int, ...]
) -> None:
    assert crop_window(np.array(box, np.float32), context, 100, 80) == window
