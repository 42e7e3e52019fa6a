"""Shapes in head coordinates land on the right pixels."""

import math

import numpy as np
import pytest

from pipeline.data.datasets.synthetic.shapes import Pen, arc, blend, shade


def pen(roll: float = 0.0) -> Pen:
    return Pen(np.zeros((101, 101, 3), np.uint8), (50, 50), 20, roll)


def test_lean_is_clockwise() -> None:
    assert pen().to_pixels([(1, 0), (0, 1)]).tolist() == [[70, 50], [50, 70]]
    np.testing.assert_allclose(pen(math.pi / 2).to_pixels([(1, 0), (0, 1)]), [[50, 70], [30, 50]])


def test_ellipse_covers_its_area_and_leans_with_the_head() -> None:
    for roll, wide in ((0.0, True), (math.pi / 2, False)):
        brush = pen(roll)
        brush.ellipse(0, 0, 2, 1, (255, 255, 255))
        rows, columns = np.nonzero(brush.canvas[..., 0] > 127)
        spans = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert spans == pytest.approx((80, 40) if wide else (40, 80), abs=2)
        assert len(rows) == pytest.approx(math.pi * 40 * 20, rel=0.06)  # OpenCV adds half a pixel all round


def test_outline_line_and_polygon() -> None:
    brush = pen()
    brush.ellipse(0, 0, 1, 1, (9, 9, 9), line=0.1)
    assert brush.canvas[50, 50, 0] == 0 and brush.canvas[50, 70, 0] == 9
    brush.line([(-2, -2), (2, -2)], (7, 7, 7), 0.2)
    assert (brush.canvas[8:12, 50, 0] == 7).all()
    brush.polygon([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], (5, 5, 5))
    assert (brush.canvas[41:60, 41:60, 0] == 5).all()


def test_arc_and_shade() -> None:
    points = np.array(arc(1, 2, 3, 4, 0, 90, 3))
    np.testing.assert_allclose(points[[0, 2]], [[4, 2], [1, 6]], atol=1e-12)
    assert shade((100, 200, 10), 1.5) == (150, 255, 15) and shade((100, 200, 10), -1) == (0, 0, 0)
    assert blend((0, 100, 200), (100, 100, 0), 0.25) == (25, 100, 150)
