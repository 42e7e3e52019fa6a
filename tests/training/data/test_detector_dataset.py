"""Files become training images of the size asked for, the same ones in every process."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_png
from pipeline.data.records import Sample
from pipeline.training.augment.labelled_image import LabelledImage, face_scales
from pipeline.training.augment.policy import POLICIES
from pipeline.training.augment.seeds import generator_for
from pipeline.training.data.batch import Example
from pipeline.training.data.cache import SampleCache
from pipeline.training.data.detector_dataset import DetectorDataset, policy_of
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.recipes.detector import DetectorRecipe

SIDE = 96
FILL = (104.0, 117.0, 123.0)
PLAIN = DetectorRecipe(augmentation="plain", seed=3)
SYNTHETIC = [Synthetic(seed=2, width=SIDE, height=SIDE).draw(index) for index in range(4)]
SAMPLES = [
    Sample(f"image {index}", f"{index}.png", "", SIDE, SIDE, boxes, landmarks=points)
    for index, (_, boxes, points) in enumerate(SYNTHETIC)
]
FILES = {f"{index}.png": encode_png(image) for index, (image, _, _) in enumerate(SYNTHETIC)}


def read(path: str) -> bytes:
    if path not in FILES:
        raise OSError(f"{path} is gone")
    return FILES[path]


def _dataset(recipe: DetectorRecipe = PLAIN) -> DetectorDataset:
    return DetectorDataset(SAMPLES, read, recipe, FILL)


def _same(one: Example, other: Example) -> bool:
    return pickle.dumps(one) == pickle.dumps(other)


def test_the_plain_image_is_the_file_or_its_mirror_image() -> None:
    dataset, seen = _dataset(), set()
    for epoch in range(8):
        for index, (image, boxes, points) in enumerate(SYNTHETIC):
            got = dataset(index, epoch, SIDE)
            mirrored = not np.array_equal(got.image, image)
            seen.add(mirrored)
            if mirrored:
                np.testing.assert_array_equal(got.image, image[:, ::-1])
                boxes = np.stack([SIDE - boxes[:, 2], boxes[:, 1], SIDE - boxes[:, 0], boxes[:, 3]], axis=1)
            large = face_scales(boxes) >= PLAIN.min_face
            np.testing.assert_allclose(got.boxes, boxes[large], atol=1e-4)
            if not mirrored:
                np.testing.assert_allclose(got.landmarks, points[large], atol=1e-4)
    assert seen == {False, True}
    assert [dataset.name(index) for index in range(len(dataset))] == [sample.image_id for sample in SAMPLES]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_mirrored_images_is_the_recipes(share: float) -> None:
    dataset = _dataset(replace(PLAIN, flip_prob=share))
    for epoch in range(8):
        for index, (image, _, _) in enumerate(SYNTHETIC):
            np.testing.assert_array_equal(dataset(index, epoch, SIDE).image, image[:, ::-1] if share else image)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("side", [48, 64])
def test_every_augmentation_gives_the_side_asked_for(name: str, side: int) -> None:
    dataset = _dataset(replace(PLAIN, augmentation=name))
    for index in range(len(SAMPLES)):
        got = dataset(index, 0, side)
        assert got.image_id == f"image {index}"
        assert got.image.shape == (side, side, 3) and got.image.dtype == np.uint8
        assert got.landmarks.shape == (len(got.boxes), 5, 2)


def test_the_shares_of_a_square_crop_are_the_recipes() -> None:
    geometry = policy_of(replace(PLAIN, augmentation="square_crop", crop_scales=(0.9,)), 64, FILL).geometry
    view = geometry.sample(np.random.default_rng(0), 100, 80, np.zeros((0, 4), np.float32), 64)
    assert view.cut[2] - view.cut[0] == view.cut[3] - view.cut[1] == 72


@pytest.mark.parametrize("name", ["sse", "sse_anywhere"])
def test_six_shares_send_every_face_where_they_say(name: str) -> None:
    recipe = replace(PLAIN, augmentation=name, sse_shares=(0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
    geometry = policy_of(recipe, 640, FILL).geometry
    views = [
        geometry.sample(np.random.default_rng(seed), 400, 400, np.float32([[100, 100, 160, 160]]), 640)
        for seed in range(20)
    ]
    assert all(view.target is not None and 48.2 <= view.target <= 106.2 for view in views)


@pytest.mark.parametrize("name", ["sse", "sse_anywhere", "sse_official"])
def test_the_shares_of_selective_scale_are_the_recipes(name: str) -> None:
    """With all chances at one level every face is brought to its sizes."""
    for shares, low, high in (((1.0, 0.0), 106.2, 212.4), ((0.0, 1.0), 212.4, 420.8)):
        geometry = policy_of(replace(PLAIN, augmentation=name, sse_shares=shares), 640, FILL).geometry
        boxes = np.float32([[100, 100, 160, 160]])
        views = [geometry.sample(np.random.default_rng(seed), 400, 400, boxes, 640) for seed in range(20)]
        assert all(view.target is not None and low <= view.target <= high for view in views)


def test_smallest_face_and_fill_are_those_asked_for() -> None:
    chosen = policy_of(replace(PLAIN, min_face=5.0), 64, FILL)
    assert (chosen.min_face, chosen.fill, chosen.side) == (5.0, FILL, 64)


@pytest.mark.parametrize(
    ("colours", "clipped", "dtype"),
    [(False, True, np.uint8), (False, False, np.uint8), (True, True, np.uint8), (True, False, np.float32)],
)
def test_only_distorted_colours_that_are_not_clipped_need_fractions(colours: bool, clipped: bool, dtype: type) -> None:
    dataset = _dataset(replace(PLAIN, colour_jitter=colours, uint8_pixels=clipped))
    shown = [dataset(index, epoch, 64).image for index in range(4) for epoch in range(5)]
    assert {image.dtype for image in shown} == {np.dtype(dtype)}
    outside = any(image.min() < 0 or image.max() > 255 for image in shown)
    assert outside == (dtype is np.float32)


def test_an_epoch_and_a_seed_of_its_own_and_always_the_same() -> None:
    recipe = replace(PLAIN, augmentation="square_crop")
    dataset = _dataset(recipe)
    first = [dataset(0, epoch, 48) for epoch in range(6)]
    assert len({example.image.tobytes() for example in first}) > 1
    # Another process, in another order, having seen others before.
    twin = pickle.loads(pickle.dumps(_dataset(recipe)))
    twin(1, 0, 64)
    assert all(_same(twin(0, epoch, 48), first[epoch]) for epoch in (4, 1))
    other = _dataset(replace(recipe, seed=4))
    assert not all(_same(other(0, epoch, 48), first[epoch]) for epoch in range(6))
    # Random numbers depend on seed, epoch and sample alone.
    labelled = LabelledImage.of(SYNTHETIC[0][0], SAMPLES[0].boxes, SAMPLES[0].landmarks)
    wanted = policy_of(recipe, 48, FILL)(generator_for(3, 2, "image 0"), labelled)
    np.testing.assert_array_equal(wanted.image, first[2].image)
    np.testing.assert_array_equal(wanted.boxes, first[2].boxes)


def test_images_are_decoded_once_as_far_as_there_is_room() -> None:
    asked: list[str] = []

    def counted(path: str) -> bytes:
        asked.append(path)
        return read(path)

    size = SIDE * SIDE * 3
    dataset = DetectorDataset(SAMPLES, counted, PLAIN, FILL, SampleCache(2 * size + 5))
    for _ in range(3):
        for index in range(4):
            dataset(index, 0, 48)
    assert [asked.count(f"{index}.png") for index in range(4)] == [1, 1, 3, 3]


def test_kept_images_do_not_travel() -> None:
    dataset = _dataset()
    fresh = len(pickle.dumps(dataset))
    before = dataset(0, 0, 48)
    assert len(pickle.dumps(dataset)) == fresh
    twin = pickle.loads(pickle.dumps(dataset))
    assert _same(twin(0, 0, 48), before) and _same(dataset(0, 0, 48), before)


def test_an_unreadable_file_is_a_blank_image_of_the_batch() -> None:
    broken = {"1.png": FILES["1.png"][: len(FILES["1.png"]) // 2], "2.png": b""}
    dataset = DetectorDataset(SAMPLES[:3], lambda path: broken.get(path) or read(path), PLAIN, FILL)
    gone = DetectorDataset([replace(SAMPLES[0], path="none.png")], read, PLAIN, FILL)
    got = BatchSampler(dataset, batch=3, seed=0, sides=(48,))(0)
    assert len(got.errors) == 1 and got.errors[0].startswith("image 1: truncated PNG")
    place = got.image_ids.index("image 1")
    assert not got.pixels[place].any() and got.counts[place] == 0
    assert all(got.pixels[other].any() for other in range(3) if other != place)
    assert BatchSampler(gone, batch=1, seed=0, sides=(48,))(5).errors == ("image 0: none.png is gone",)
