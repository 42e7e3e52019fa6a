"""A small set of predictions that every form can hold without rounding."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.predictions.table import PredictionTable

SIZES = {"deep/b.jpg": (128, 256), "a.jpg": (64, 64), "c d.jpg": (512, 128)}


@pytest.fixture
def small() -> PredictionTable:
    """Two images with boxes, of which two have equal scores, and one image without any."""
    return PredictionTable(
        names=tuple(SIZES),
        offsets=np.array([0, 3, 3, 4]),
        boxes=np.array([[8, 16, 40, 80], [-4, 2, 12.5, 10], [64, 0, 128, 32], [0.25, 1, 2, 3]], np.float64),
        scores=np.array([0.75, 0.5, 0.5, 0.25]),
        positions=np.arange(4),
        sizes=np.array(list(SIZES.values()), np.int32),
    )


def rows_of(table: PredictionTable) -> dict[str, list[list[float]]]:
    """Image -> rows x1 y1 x2 y2 score by falling score."""
    return {name: np.c_[boxes, scores].tolist() for name, boxes, scores in table.by_image()}
