"""One head's numbers: its box bounds the leaning face, its landmarks are in order, heads vary."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.datasets.synthetic.appearance import sample_appearance

HEAD = sample_appearance(np.random.default_rng(0))


def test_half_extent_bounds_the_leaning_ellipse() -> None:
    angles = np.linspace(0, 2 * np.pi, 3601)
    for roll in (0.0, 0.3, -0.5):
        head = replace(HEAD, roll=roll)
        u, v = head.breadth * np.cos(angles), np.sin(angles)
        x, y = math.cos(roll) * u - math.sin(roll) * v, math.sin(roll) * u + math.cos(roll) * v
        assert head.half_extent == pytest.approx((x.max(), y.max()), abs=1e-5)


def test_landmarks_follow_the_turn() -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = replace(HEAD, turn=0.0, smile=0.0).landmarks()
    assert left_eye[0] == -right_eye[0] < 0
    assert (nose[0], left_mouth[1], right_mouth[1]) == (0, HEAD.mouth_height, HEAD.mouth_height)
    assert left_mouth[0] == -right_mouth[0]
    turned = replace(HEAD, turn=1.0).landmarks()
    assert turned[2][0] > (turned[0][0] + turned[1][0]) / 2 > 0  # the nose moves furthest
    assert replace(HEAD, smile=1.0).landmarks()[3][1] < HEAD.mouth_height


def test_looks_vary() -> None:
    rng = np.random.default_rng(1)
    heads = [sample_appearance(rng) for _ in range(300)]
    assert {head.style for head in heads} == {"short", "long", "curly", "bald", "hat", "scarf"}
    assert {head.cover for head in heads} == {"none", "mask", "object"}
    brightness = [sum(head.skin) for head in heads]
    assert min(brightness) < 250 and max(brightness) > 600
