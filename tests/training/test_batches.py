"""Batches depend on seed and step alone and show every image once an epoch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from pipeline.models.detectors.detector import Normalisation
from pipeline.training.batches import Batches, render
from pipeline.training.example import Example

NORMAL = Normalisation((104.0, 117.0, 123.0))


def _draw(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    boxes = np.float32([[5, 5, 20, 24]])
    points = np.full((1, 5, 2), 12 + index, np.float32)
    if index % 2:
        points[:] = np.nan
    return image, boxes, points


def _batches(**change: object) -> Batches:
    settings: dict[str, object] = {"pool": render(_draw, 6), "batch": 4, "seed": 3, "normalisation": NORMAL}
    return Batches(**{**settings, **change})  # type: ignore[arg-type]


def test_any_order_same_bytes() -> None:
    a, b = _batches(crop=32), _batches(crop=32)
    forward = [a(step) for step in range(5)]
    for step in (4, 0, 2):
        torch.testing.assert_close(b(step).images, forward[step].images, rtol=0, atol=0)
        assert b(step).image_ids == forward[step].image_ids
        for x, y in zip(b(step).faces, forward[step].faces, strict=True):
            torch.testing.assert_close(x.boxes, y.boxes, rtol=0, atol=0)


def test_every_image_once_an_epoch_in_a_new_order() -> None:
    batches = _batches()
    names = [name for step in range(6) for name in batches(step).image_ids]
    epochs = [names[i : i + 6] for i in range(0, 24, 6)]
    assert all(Counter(epoch) == Counter(f"image {i}" for i in range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_seed_changes_the_order() -> None:
    assert [_batches(seed=s)(0).image_ids for s in (1, 2, 3)] != [_batches(seed=1)(0).image_ids] * 3


def test_pixels_are_normalised_and_mirrored() -> None:
    plain, turned = _batches(mirrored=0.0)(0), _batches(mirrored=1.0)(0)
    index = int(plain.image_ids[0].split()[1])
    wanted = _draw(index)[0].astype(np.float32) - np.float32([104, 117, 123])
    np.testing.assert_allclose(plain.images[0].permute(1, 2, 0).numpy(), wanted)
    torch.testing.assert_close(turned.images, plain.images.flip(3))
    np.testing.assert_allclose(turned.faces[0].boxes.numpy(), [[20, 5, 35, 24]])
    assert plain.images.is_contiguous(memory_format=torch.channels_last)
    half = Normalisation(NORMAL.mean_bgr, 0.5)
    torch.testing.assert_close(_batches(mirrored=0.0, normalisation=half)(0).images, plain.images * 0.5)


def test_faces_without_landmarks_are_unmarked() -> None:
    batch = _batches()(0)
    for name, faces in zip(batch.image_ids, batch.faces, strict=True):
        assert faces.marked.tolist() == [int(name.split()[1]) % 2 == 0]


def test_refuses_sizes_that_cannot_be_stacked_unless_cropped() -> None:
    boxes, points = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
    pool = [Example(str(side), np.zeros((side, side, 3), np.uint8), boxes, points) for side in (40, 48)]
    with pytest.raises(ValueError, match=r"differ in size.*set a crop"):
        _batches(pool=pool, batch=2)(0)
    assert _batches(pool=pool, batch=2, crop=32)(0).images.shape == (2, 3, 32, 32)


def test_refuses_an_empty_pool() -> None:
    with pytest.raises(ValueError, match="0 images"):
        _batches(pool=[])
