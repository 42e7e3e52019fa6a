from __future__ import annotations

import numpy as np

from pipeline.boxes.frame import CONVENTIONS, MOGFACE, Frame

PIXELS = np.array([[3.0, 4, 12, 5], [0, 0, 0, 0]])  # 10 x 2 pixels and 1 x 1, by their last pixels
ENDS = np.array([[3.0, 4, 13, 6], [0, 0, 1, 1]])


def test_one_box_in_both_frames() -> None:
    assert Frame.CONTINUOUS.corners(PIXELS, Frame.INCLUSIVE).tolist() == ENDS.tolist()
    assert Frame.INCLUSIVE.corners(ENDS, Frame.CONTINUOUS).tolist() == PIXELS.tolist()
    for frame in Frame:
        assert frame.corners(PIXELS, frame).tolist() == PIXELS.tolist()


def test_corners_are_moved_in_float64() -> None:
    """2 ** 23 + 0.5 has no neighbour one pixel lower in float32 that keeps its half."""
    high = np.array([[0, 0, 2.0**-20, 2**23 - 0.5]], np.float32)
    moved = Frame.INCLUSIVE.corners(high, Frame.CONTINUOUS)
    assert moved.dtype == np.float64
    assert (moved[0, 2:] + 1 == high[0, 2:].astype(np.float64)).all()


def test_only_mogface_holds_last_pixels() -> None:
    assert [name for name, each in CONVENTIONS.items() if each.frame is Frame.INCLUSIVE] == ["mogface"]
    assert CONVENTIONS["mogface"] is MOGFACE
