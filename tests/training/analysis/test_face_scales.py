"""Scales without pixels are those of the pixels' own way; SSE gives the levels of real faces their shares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.annotation import read_wider_annotation
from pipeline.data.records import Sample
from pipeline.training.analysis.face_scales import (
    SCALE_EDGES,
    labelled_scales,
    level_shares_of,
    sampled_scales,
    scale_histogram,
    seen_scales,
)
from pipeline.training.augment.labelled_image import LabelledImage, face_scales
from pipeline.training.augment.policy import POLICIES
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.sse import CONFIG_EDGES, PAPER_EDGES
from tests.training.augment.policies import policy

SIDE = 64


def _sample(seed: int, faces: int = 6, width: int = 90, height: int = 70) -> Sample:
    """Faces of any size and place: tiny, without an area, larger than the image, outside it."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(-0.4, 1.1, (faces, 2)) * [width, height]
    sides = rng.choice([0.0, 0.4, 3.0, 20.0, 200.0], (faces, 2)) * rng.uniform(0.5, 1.5, (faces, 2))
    boxes = np.concatenate([low, low + sides], axis=1).astype(np.float32)
    return Sample(f"image {seed}", "a.png", "", width, height, boxes)


def _scene(sample: Sample) -> LabelledImage:
    return LabelledImage.of(np.zeros((sample.height, sample.width, 3), np.uint8), sample.boxes)


def test_labelled_faces_without_an_area_have_no_scale() -> None:
    boxes = np.array([[0, 0, 4, 9], [5, 5, 5, 20], [1, 2, 3, 4], [9, 9, 8, 8]], np.float32)
    samples = [Sample("a", "", "", 30, 30, boxes), Sample("b", "", "", 30, 30)]
    assert labelled_scales(samples).tolist() == [6.0, 2.0]
    assert labelled_scales([]).shape == (0,)


@pytest.mark.parametrize("name", POLICIES)
def test_scales_without_pixels_are_those_of_training(name: str) -> None:
    # Multi-scale training enlarges to 640 and more, where a small window would show a face by chance only.
    large = name == "mst"
    chosen, faces = policy(name, side=480 if large else SIDE, photometric=None), 0
    for seed in range(100 if name == "sse_anywhere" else 25):  # which misses most faces
        sample = _sample(seed, width=500, height=600) if large else _sample(seed)
        plan = chosen.sample(generator_for(1, 0, sample.image_id), sample.width, sample.height, sample.boxes)
        done = face_scales(plan.apply(_scene(sample)).boxes)
        np.testing.assert_allclose(np.sort(seen_scales(plan, sample.boxes)), np.sort(done), rtol=1e-5)  # mirrored
        faces += len(done)
    assert faces > 4


def test_small_faces_go_unless_all_would() -> None:
    plan = policy("plain", side=SIDE).sample(np.random.default_rng(0), SIDE, SIDE, np.zeros((0, 4), np.float32))
    boxes = np.array([[0, 0, 8, 8], [10, 10, 17, 17], [60, 60, 80, 80]], np.float32)
    assert seen_scales(plan, boxes).tolist() == [8.0]  # the last one's centre is outside
    assert seen_scales(plan, boxes[1:]).tolist() == [7.0]
    every = replace(plan, policy=replace(plan.policy, min_face=0.0))
    assert seen_scales(every, boxes).tolist() == [8.0, 7.0]


@pytest.mark.parametrize("name", ["das", "sse"])
def test_samples_are_those_of_training(name: str) -> None:
    samples, chosen = [_sample(seed) for seed in range(8)], policy(name, side=SIDE)
    unreadable = Sample("broken", "", "", 0, 0, samples[0].boxes, error="truncated")
    sampled = sampled_scales([*samples, unreadable], chosen, seed=5, epochs=2)
    expected = [
        face_scales(chosen(generator_for(5, epoch, sample.image_id), _scene(sample)).boxes)
        for epoch in (0, 1)
        for sample in samples
    ]
    np.testing.assert_allclose(np.sort(sampled.scales), np.sort(np.concatenate(expected)), rtol=1e-5)
    assert len(sampled.targets) <= 16
    backwards = sampled_scales(samples[::-1], chosen, seed=5, epochs=2)
    np.testing.assert_array_equal(np.sort(sampled.targets), np.sort(backwards.targets))
    other = sampled_scales(samples, chosen, seed=6, epochs=2)
    assert set(other.targets.tolist()).isdisjoint(sampled.targets.tolist())


@pytest.mark.parametrize("name", ["plain", "mst", "square_crop"])
def test_what_aims_at_no_face_has_no_targets(name: str) -> None:
    sampled = sampled_scales([_sample(seed) for seed in range(8)], policy(name), seed=0)
    assert sampled.targets.shape == (0,)
    assert len(sampled.scales)


def test_a_border_belongs_to_the_bin_above() -> None:
    assert scale_histogram(np.float32([3.9, 4.0, 5.6, 5.7, 1023.0, 1024.0, 9999.0])).tolist() == [
        1, 2, 1, *[0] * 13, 1, 2
    ]  # fmt: skip
    assert scale_histogram(np.zeros(0, np.float32)).tolist() == [0] * (len(SCALE_EDGES) + 1)
    assert (SCALE_EDGES[0], SCALE_EDGES[2], SCALE_EDGES[-1]) == (4, 8, 1024)


def test_levels_are_the_policys_own() -> None:
    targets = np.array([8.3, 8.4, 21.0, 53.9, 106.2, 639.0, 640.0])
    paper, official = level_shares_of(policy("sse"), targets), level_shares_of(policy("sse_official"), targets)
    assert (paper.edges, official.edges) == (PAPER_EDGES, CONFIG_EDGES)
    assert (paper.counts.tolist(), official.counts.tolist()) == ([1, 1, 1, 1, 0, 1], [2, 1, 0, 1, 0, 1])
    assert paper.shares.tolist() == [1 / 7, 1 / 7, 1 / 7, 1 / 7, 0, 1 / 7]
    assert paper.expected is not None and official.expected is not None
    assert (paper.expected[5], official.expected[5]) == (pytest.approx(0.16), 0)
    das = level_shares_of(policy("das"), targets)
    assert das.expected is None
    assert das.counts.tolist() == paper.counts.tolist()
    assert level_shares_of(policy("das"), np.zeros(0)).shares.tolist() == [0] * 6


@pytest.fixture(scope="module")
def training_set(shared: Path) -> list[Sample]:
    """All 12,880 training images; the annotation has no sizes: every image there is 1024 pixels wide."""
    annotation = read_wider_annotation(shared / "data/wider_val_gt/wider_face_train_bbx_gt.txt")
    samples = []
    for place, name in enumerate(annotation.names):
        boxes = annotation.faces(place)[:, :4].astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        height = max(768, int(boxes[:, 3].max(initial=0)))
        samples.append(Sample(name, name, "", 1024, height, boxes))
    return samples


@pytest.mark.wider
def test_every_real_face_with_an_area_is_counted(training_set: list[Sample]) -> None:
    scales = labelled_scales(training_set)
    assert (len(training_set), len(scales)) == (12_880, 159_420 - 27)  # so many have no width or no height
    assert scale_histogram(scales).sum() == len(scales)


@pytest.mark.wider
@pytest.mark.slow
def test_levels_of_the_real_annotation_get_the_shares_of_the_closed_form(training_set: list[Sample]) -> None:
    chosen = policy("sse")
    sampled = sampled_scales(training_set, chosen, seed=0)
    found = level_shares_of(chosen, sampled.targets)
    assert found.expected is not None
    assert len(sampled.targets) == 12_880 - 4  # those without faces aim at nothing
    np.testing.assert_allclose(found.shares, found.expected, atol=0.01, rtol=0)
