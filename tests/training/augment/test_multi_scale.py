"""Multi-scale training samples a size for every image."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.multi_scale import TRAINING_SIDES, MultiScale

NONE = np.zeros((0, 4), np.float32)


def test_a_size_for_every_image() -> None:
    rng = np.random.default_rng(0)
    shorts = [MultiScale().sample(rng, 900, 1200, NONE, 640).width for _ in range(600)]
    assert set(shorts) == set(TRAINING_SIDES) and len(TRAINING_SIDES) == 18
    assert TRAINING_SIDES[0] == 640 and TRAINING_SIDES[-1] == 1184


def test_window_inside_the_image_whatever_its_faces() -> None:
    faces = np.array([[0, 0, 5, 5]], np.float32)
    for seed in range(30):
        view = MultiScale().sample(np.random.default_rng(seed), 300, 200, faces, 640)
        assert view == MultiScale().sample(np.random.default_rng(seed), 300, 200, NONE, 640)
        assert 0 <= view.x <= view.width - 640 and 0 <= view.y <= view.height - 640
        assert view.height in TRAINING_SIDES and view.width == pytest.approx(1.5 * view.height, abs=1)
