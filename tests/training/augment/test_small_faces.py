"""Small faces are dropped, unless all are small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.training.augment.scene import Scene
from pipeline.training.augment.small_faces import drop_small_faces

IMAGE = np.zeros((64, 64, 3), np.uint8)


@pytest.mark.wider
@pytest.mark.parametrize("case", ["filter", "filter_allsmall"])
def test_published_vectors(shared: Path, case: str) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    exclusive = np.array([0, 0, 1, 1], np.float32)  # released corners are the last pixels, ours the borders
    scene = Scene.of(IMAGE, z[f"{case}_in"][:, :4].astype(np.float32) + exclusive)
    np.testing.assert_allclose(drop_small_faces(scene).boxes, z[f"{case}_out"][:, :4] + exclusive, rtol=1e-6)


def test_the_border_stays() -> None:
    boxes = np.array([[0, 0, 8, 8], [0, 0, 7.9, 8], [0, 0, 4, 16]], np.float32)
    assert drop_small_faces(Scene.of(IMAGE, boxes)).rows.tolist() == [0, 2]
    assert drop_small_faces(Scene.of(IMAGE, boxes), min_face=20).rows.tolist() == [0, 1, 2]
    assert drop_small_faces(Scene.of(IMAGE, boxes[:0])).boxes.shape == (0, 4)
