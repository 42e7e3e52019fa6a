"""Multi-scale training draws for every image; the released code drew once."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.multi_scale import TRAINING_SIDES, MultiScale, once

NONE = np.zeros((0, 4), np.float32)


def test_difference_5_a_size_for_every_image_or_once_a_run() -> None:
    assert once(0) == 1024  # what the released SSE and MogFace_E configurations train on
    assert once(0) == once(0) and len({once(seed) for seed in range(60)}) > 10
    rng = np.random.default_rng(0)
    shorts = [MultiScale().sample(rng, 900, 1200, NONE, 640).width for _ in range(600)]
    assert set(shorts) == set(TRAINING_SIDES) and len(TRAINING_SIDES) == 18
    assert TRAINING_SIDES[0] == 640 and TRAINING_SIDES[-1] == 1184


def test_window_inside_the_picture_and_no_face_has_a_say() -> None:
    faces = np.array([[0, 0, 5, 5]], np.float32)
    for seed in range(30):
        view = MultiScale().sample(np.random.default_rng(seed), 300, 200, faces, 640)
        assert view == MultiScale().sample(np.random.default_rng(seed), 300, 200, NONE, 640)
        assert 0 <= view.x <= view.width - 640 and 0 <= view.y <= view.height - 640
        assert view.height in TRAINING_SIDES and view.width == pytest.approx(1.5 * view.height, abs=1)


@pytest.mark.parametrize("sides", [(), (0,)])
def test_refuses_no_sizes(sides: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        MultiScale(sides)
