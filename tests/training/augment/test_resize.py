"""A part of an enlarged image equals that part of the whole enlargement."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.training.augment.resize import INTERPOLATIONS, resize_part, sample_interpolation, scaled_size, source_rect

# kind -> OpenCV's name of it for a whole image, and the tolerance for a part of noise (of 255): Lanczos is tabulated at
# 1/32 pixel, and "area" has nothing to average.
WHOLE = {
    "linear": (cv2.INTER_LINEAR, 0.01),
    "cubic": (cv2.INTER_CUBIC, 0.01),
    "area": (cv2.INTER_LINEAR, 0.01),
    "nearest": (cv2.INTER_NEAREST_EXACT, 0.01),
    "lanczos": (cv2.INTER_LANCZOS4, 10.0),
}


@pytest.mark.parametrize("kind", INTERPOLATIONS)
@pytest.mark.parametrize("seen", [(50, 70, 200, 300), (0, 0, 64, 64), (337, 399, 401, 463), (0, 100, 401, 164)])
def test_part_of_an_enlargement(kind: str, seen: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(1).uniform(0, 255, (151, 131, 3)).astype(np.float32)
    source, size = (131, 151), (401, 463)  # odd, or "nearest" would meet ties
    x1, y1, x2, y2 = source_rect(source, size, seen)
    got = resize_part(np.ascontiguousarray(image[y1:y2, x1:x2]), (x1, y1, x2, y2), source, size, seen, kind)
    flag, tolerance = WHOLE[kind]
    wanted = cv2.resize(image, size, interpolation=flag)[seen[1] : seen[3], seen[0] : seen[2]]
    np.testing.assert_allclose(got, wanted, atol=tolerance)


def test_only_what_is_seen_is_needed() -> None:
    x1, y1, x2, y2 = source_rect((1000, 800), (5000, 4000), (2000, 1000, 2640, 1640))
    assert (x1, y1) == (395, 195) and x2 - x1 == y2 - y1 == 138  # 640 / 5 and five pixels to every side
    assert source_rect((1000, 800), (500, 400), (100, 100, 200, 200)) == (0, 0, 1000, 800)


@pytest.mark.parametrize("kind", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_shrinking_keeps_the_dtype_and_the_place(kind: str, dtype: type) -> None:
    image = np.zeros((40, 40, 3), dtype)
    image[:, 20:] = 200
    small = resize_part(image, (0, 0, 40, 40), (40, 40), (20, 20), (5, 0, 15, 20), kind)
    assert small.dtype == dtype and small.shape == (20, 10, 3)
    assert (np.abs(small[:, :4].astype(float)) < 6).all() and (np.abs(small[:, 6:].astype(float) - 200) < 6).all()


@pytest.mark.wider
def test_published_vector(shared: Path) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    image = z["img_bgr"].astype(np.float32)
    got = resize_part(image, (0, 0, 90, 50), (90, 50), (64, 64), (0, 0, 64, 64), "linear")
    np.testing.assert_allclose(got, z["resize64_linear_img"], atol=1e-3)


def test_sizes_are_rounded_bounded_and_never_nothing() -> None:
    assert scaled_size(1000, 500, 3.0, 12000) == scaled_size(1000, 500, 3.0, None) == (3000, 1500)
    width, height = scaled_size(1000, 500, 3.0, 1000)
    assert width * height == pytest.approx(1000**2, rel=0.002) and width == pytest.approx(2 * height, abs=1)
    assert scaled_size(5000, 1, 0.001, 1000) == (5, 1)


def test_all_five_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    sampled = [sample_interpolation(rng) for _ in range(2000)]
    assert all(sampled.count(kind) == pytest.approx(400, abs=90) for kind in INTERPOLATIONS)


def test_refuses_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="unknown interpolation 'bicubic'; there are linear, cubic"):
        resize_part(np.zeros((2, 2, 3), np.uint8), (0, 0, 2, 2), (2, 2), (1, 1), (0, 0, 1, 1), "bicubic")


def test_nearest_takes_the_pixel_under_the_centre() -> None:
    image = np.repeat(np.arange(5, dtype=np.uint8)[None, :, None], 3, axis=2)
    small = resize_part(image, (0, 0, 5, 1), (5, 1), (3, 1), (0, 0, 3, 1), "nearest")
    assert small[0, :, 0].tolist() == [0, 2, 4]  # centres at 0.83, 2.5, 4.17; by the left border it would be 0, 1, 3
