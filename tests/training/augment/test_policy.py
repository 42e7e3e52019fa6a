"""Every named policy gives training images of one size, whatever its input, and applies samples deterministically."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.augment.labelled_image import LabelledImage
from pipeline.training.augment.policy import POLICIES
from pipeline.training.augment.seeds import generator_for
from tests.training.augment.policies import policy

SIDE = 48


def _scene(width: int, height: int, faces: int, seed: int) -> LabelledImage:
    """Faces of any size and place: tiny, without an area, larger than the image, outside it."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(-0.5, 1.2, (faces, 2)) * [width, height]
    sides = rng.choice([0.0, 0.4, 3.0, 20.0, 400.0], (faces, 2)) * rng.uniform(0.5, 1.5, (faces, 2))
    points = rng.uniform(0, width, (faces, 5, 2)).astype(np.float32)
    points[rng.random(faces) < 0.5] = np.nan
    return LabelledImage.of(
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        np.concatenate([low, low + sides], axis=1).astype(np.float32),
        points,
        rng.random(faces) < 0.8,
    )


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 160), height=st.integers(1, 160), faces=st.integers(0, 6), seed=st.integers(0, 10**6)
)  # fmt: skip
def test_any_image_any_faces(name: str, width: int, height: int, faces: int, seed: int) -> None:
    labelled = _scene(width, height, faces, seed)
    before = pickle.dumps(labelled)
    done = policy(name, side=SIDE)(generator_for(seed, 0, name), labelled)
    assert done.image.shape == (SIDE, SIDE, 3) and done.image.dtype == np.float32
    assert np.isfinite(done.image).all()
    assert (done.boxes >= 0).all() and (done.boxes <= SIDE).all()
    assert (done.boxes[:, 2:] > done.boxes[:, :2]).all()
    assert (done.valid == labelled.valid[done.rows]).all()
    unmarked = np.isnan(labelled.landmarks[done.rows]).all(axis=(1, 2))
    assert (np.isnan(done.landmarks).all(axis=(1, 2)) == unmarked).all()
    assert pickle.dumps(labelled) == before


@pytest.mark.parametrize("name", POLICIES)
def test_same_seed_same_bytes_and_another_seed_others(name: str) -> None:
    labelled, one = _scene(90, 70, 4, 1), policy(name, side=SIDE)
    runs = [pickle.dumps(one(generator_for(seed, 3, "a"), labelled)) for seed in (5, 5, 6, 7)]
    assert runs[0] == runs[1] and len(set(runs)) == 3


@pytest.mark.parametrize("name", POLICIES)
def test_applying_is_deterministic(name: str) -> None:
    labelled = _scene(90, 70, 4, 1)
    sampled = policy(name, side=SIDE).sample(generator_for(0, 0, "a"), 90, 70, labelled.boxes)
    assert hash(sampled) == hash(replace(sampled))  # frozen all through
    results = []
    for state in (0, 1, 2):
        np.random.seed(state)
        random.seed(state)
        results.append(pickle.dumps(pickle.loads(pickle.dumps(sampled)).apply(labelled)))
    assert len(set(results)) == 1


@pytest.mark.parametrize("name", POLICIES)
def test_sampling_needs_no_pixels(name: str) -> None:
    labelled = _scene(90, 70, 4, 1)
    one = policy(name, side=SIDE)
    sampled = one.sample(generator_for(0, 0, "a"), 90, 70, labelled.boxes[labelled.valid])
    done = one(generator_for(0, 0, "a"), labelled)
    np.testing.assert_array_equal(sampled.apply(labelled).image, done.image)


@pytest.mark.parametrize("name", POLICIES)
def test_bytes_are_the_rounded_floats(name: str) -> None:
    labelled = _scene(90, 70, 4, 1)
    sampled = policy(name, side=SIDE, fill=(1.0, 2.0, 3.0)).sample(generator_for(2, 0, "a"), 90, 70, labelled.boxes)
    assert sampled.distortion is not None
    in_bytes = replace(sampled, policy=replace(sampled.policy, pixels="uint8"))
    exact, small = sampled.apply(labelled).image, in_bytes.apply(labelled).image
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, np.rint(exact).clip(0, 255))
    plain = replace(sampled, distortion=None)
    gap = np.abs(replace(in_bytes, distortion=None).apply(labelled).image - plain.apply(labelled).image.clip(0, 255))
    assert gap.max() <= 4  # OpenCV's fixed-point kernels for bytes


def test_order_of_the_parts() -> None:
    image = np.full((40, 40, 3), 100, np.float32)
    labelled = LabelledImage.of(image, np.array([[0, 0, 10, 10], [30, 0, 34, 4]], np.float32))
    one = policy("plain", side=40, flip_prob=1.0, min_face=8.0, fill=(0, 0, 0))
    done = one.sample(np.random.default_rng(0), 40, 40, labelled.boxes).apply(labelled)
    np.testing.assert_allclose(done.boxes, [[30, 0, 40, 10]])  # mirrored, the small one gone
    twice = policy("plain", side=80, flip_prob=0.0)(np.random.default_rng(0), labelled)
    np.testing.assert_allclose(twice.boxes, [[0, 0, 20, 20], [60, 0, 68, 8]])  # 8 px after the resize: stays


def test_floats_without_a_distortion_too() -> None:
    labelled = _scene(90, 70, 4, 1)
    for pixels in ("float32", "uint8"):
        done = policy("das", side=SIDE, photometric=None, pixels=pixels)(generator_for(0, 0, "a"), labelled)
        assert done.image.dtype == pixels


def test_half_of_the_images_are_mirrored() -> None:
    rng = np.random.default_rng(0)
    boxes = np.zeros((0, 4), np.float32)
    turned = [policy("plain").sample(rng, 20, 20, boxes).mirrored for _ in range(1500)]
    assert np.mean(turned) == pytest.approx(0.5, abs=0.06)


def test_what_is_not_valid_is_never_aimed_at() -> None:
    boxes = np.array([[2, 2, 6, 6], [60, 40, 90, 70]], np.float32)
    image = np.zeros((100, 100, 3), np.uint8)
    labelled = LabelledImage.of(image, boxes, valid=np.array([False, True]))
    for seed in range(20):
        done = policy("sse", side=640, photometric=None)(generator_for(seed, 0, "a"), labelled)
        assert 1 in done.rows


def test_algorithm_2_to_the_letter_crops_anywhere() -> None:
    """A small face in a large image: the window around it always holds it, the window anywhere seldom."""
    boxes = np.array([[2000, 1500, 2040, 1540]], np.float32)

    def holds(name: str, seed: int) -> bool:
        view = policy(name, side=640).sample(generator_for(seed, 0, "a"), 4000, 3000, boxes).view
        x1, y1, x2, y2 = view.place(boxes)[0].tolist()
        assert view.target is not None
        return x1 > -1 and y1 > -1 and x2 < 641 and y2 < 641

    found = {name: sum(holds(name, seed) for seed in range(60)) for name in ("sse", "sse_anywhere")}
    assert found["sse"] > 45  # a face as large as the window may stick out
    assert found["sse_anywhere"] < 25
    literal, around = policy("sse_anywhere").geometry, policy("sse").geometry
    assert (literal.target, literal.max_side, literal.short_side) == (around.target, around.max_side, around.short_side)


def test_refuses_and_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="no augmentation is called 'ssd'"):
        policy("ssd")
    for change in ({"side": 0}, {"flip_prob": 1.5}, {"min_face": -1.0}):
        with pytest.raises(ValueError, match=next(iter(change))):
            policy("das", **change)
