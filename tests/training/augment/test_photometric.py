"""Colour distortions against the released code's images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.training.augment.photometric import Distortion, Photometric


@pytest.mark.wider
def test_published_vectors(shared: Path) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    shift, contrast, saturation, hue_up, hue_down = z["photo_params"].tolist()
    cases = {
        "brightness": Distortion(brightness=shift),
        "contrast": Distortion(contrast=contrast),
        "saturation": Distortion(saturation=saturation),
        "hue_pos": Distortion(hue=hue_up),
        "hue_neg": Distortion(hue=hue_down),
    }
    for name, distortion in cases.items():
        np.testing.assert_allclose(distortion.apply(z["img_bgr"]), z[f"{name}_out"], atol=1e-3, err_msg=name)


def test_nothing_is_clipped_or_written_to() -> None:
    image = np.array([[[0, 128, 255]]], np.float32)
    done = Distortion(brightness=-20.0, contrast=1.5).apply(image)
    np.testing.assert_allclose(done, [[[-30, 162, 352.5]]])
    np.testing.assert_array_equal(image, [[[0, 128, 255]]])


def test_contrast_after_the_colours_is_another_image() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (4, 4, 3)).astype(np.float32)
    first = Distortion(brightness=30.0, contrast=1.4, saturation=1.3, hue=10.0)
    last = Distortion(brightness=30.0, contrast=1.4, saturation=1.3, hue=10.0, contrast_last=True)
    by_hand = Distortion(saturation=1.3, hue=10.0).apply(Distortion(brightness=30.0).apply(image)) * np.float32(1.4)
    np.testing.assert_allclose(last.apply(image), by_hand, rtol=1e-6)
    by_hand = Distortion(saturation=1.3, hue=10.0).apply((image + np.float32(30)) * np.float32(1.4))
    np.testing.assert_allclose(first.apply(image), by_hand, rtol=1e-6)


def test_hue_wraps_at_red() -> None:
    red = np.array([[[0, 0, 200]]], np.uint8)
    there_and_back = Distortion(hue=18.0).apply(Distortion(hue=-18.0).apply(red))
    np.testing.assert_allclose(there_and_back, [[[0, 0, 200]]], atol=0.01)
    np.testing.assert_allclose(Distortion(hue=-18.0).apply(red), [[[60, 0, 200]]], atol=0.01)  # 18/60 of the way


def test_distribution() -> None:
    sampled = [Photometric().sample(np.random.default_rng(seed)) for seed in range(4000)]
    ranges = {"brightness": (-32, 32), "contrast": (0.5, 1.5), "saturation": (0.5, 1.5), "hue": (-18, 18)}
    for name, (low, high) in ranges.items():
        values = np.array([value for each in sampled if (value := getattr(each, name)) is not None])
        assert len(values) / 4000 == pytest.approx(0.5, abs=0.04)  # five standard deviations
        assert low <= values.min() < low + 0.02 * (high - low) and high - 0.02 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.04 * (high - low))
    assert np.mean([each.contrast_last for each in sampled]) == pytest.approx(0.5, abs=0.04)


def test_chance_is_a_parameter() -> None:
    rng = np.random.default_rng(0)
    never = [Photometric(chance=0).sample(rng) for _ in range(50)]
    assert all(each.brightness is each.contrast is each.saturation is each.hue is None for each in never)
    always = [Photometric(chance=1).sample(rng) for _ in range(50)]
    assert all(None not in (each.brightness, each.contrast, each.saturation, each.hue) for each in always)
