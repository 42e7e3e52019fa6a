"""An example refuses arrays that do not fit together."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.data.batch import Example

IMAGE = np.zeros((8, 8, 3), np.uint8)
BOXES = np.zeros((2, 4), np.float32)
POINTS = np.zeros((2, 5, 2), np.float32)


@pytest.mark.parametrize(
    ("image", "boxes", "points", "message"),
    [
        (IMAGE[..., 0], BOXES, POINTS, r"photo: image .*\(8, 8\)"),
        (IMAGE.astype(np.float64), BOXES, POINTS, "photo: image is float64 .*expected uint8 or float32"),
        (IMAGE, BOXES[:, :3], POINTS, r"photo: boxes .*\(2, 3\)"),
        (IMAGE, BOXES, POINTS[:1], r"photo: landmarks .*\(1, 5, 2\).*\(2, 5, 2\)"),
    ],
)
def test_refuses(image: np.ndarray, boxes: np.ndarray, points: np.ndarray, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        Example("photo", image, boxes, points)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_takes_what_fits(dtype: type) -> None:
    assert Example("photo", IMAGE.astype(dtype), BOXES, POINTS).boxes is BOXES
