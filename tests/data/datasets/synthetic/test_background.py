"""Backgrounds: textured, varied, from their random stream only."""

import numpy as np

from pipeline.data.datasets.synthetic.background import background, finish


def test_backgrounds_are_textured_and_differ() -> None:
    images = [background(np.random.default_rng(seed), 96, 64) for seed in range(12)]
    for image in images:
        assert image.shape == (64, 96, 3) and image.std() > 5
    assert len({image.tobytes() for image in images}) == 12
    np.testing.assert_array_equal(images[3], background(np.random.default_rng(3), 96, 64))


def test_every_shape_is_drawn_even_on_the_smallest_image() -> None:
    for seed in range(60):
        assert background(np.random.default_rng(seed), 32, 32).shape == (32, 32, 3)


def test_camera_adds_grain_and_exposure_without_wrapping() -> None:
    white, black = np.full((64, 64, 3), 255, np.uint8), np.zeros((64, 64, 3), np.uint8)
    means = [finish(white, np.random.default_rng(seed)).mean() for seed in range(20)]
    assert min(means) > 120
    assert max(finish(black, np.random.default_rng(seed)).mean() for seed in range(20)) < 60
    assert np.std(means) > 5
    grey = finish(np.full((64, 64, 3), 128, np.uint8), np.random.default_rng(0))
    assert 0.5 < grey[..., 0].std() < 10
