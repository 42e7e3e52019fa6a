"""One head's numbers: its box bounds the leaning face, its landmarks are in order, looks vary."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.datasets.synthetic.appearance import sample_appearance

LOOK = sample_appearance(np.random.default_rng(0))


def test_half_extent_bounds_the_leaning_ellipse() -> None:
    angles = np.linspace(0, 2 * np.pi, 3601)
    for roll in (0.0, 0.3, -0.5):
        look = replace(LOOK, roll=roll)
        u, v = look.breadth * np.cos(angles), np.sin(angles)
        x, y = math.cos(roll) * u - math.sin(roll) * v, math.sin(roll) * u + math.cos(roll) * v
        assert look.half_extent == pytest.approx((x.max(), y.max()), abs=1e-5)


def test_landmarks_follow_the_turn() -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = replace(LOOK, turn=0.0, smile=0.0).landmarks()
    assert left_eye[0] == -right_eye[0] < 0
    assert (nose[0], left_mouth[1], right_mouth[1]) == (0, LOOK.mouth_height, LOOK.mouth_height)
    assert left_mouth[0] == -right_mouth[0]
    turned = replace(LOOK, turn=1.0).landmarks()
    assert turned[2][0] > (turned[0][0] + turned[1][0]) / 2 > 0  # the nose moves furthest
    assert replace(LOOK, smile=1.0).landmarks()[3][1] < LOOK.mouth_height


def test_looks_vary() -> None:
    rng = np.random.default_rng(1)
    looks = [sample_appearance(rng) for _ in range(300)]
    assert {look.style for look in looks} == {"short", "long", "curly", "bald", "hat", "scarf"}
    assert {look.cover for look in looks} == {"none", "mask", "object"}
    brightness = [sum(look.skin) for look in looks]
    assert min(brightness) < 250
    assert max(brightness) > 600
