from __future__ import annotations

import numpy as np
import pytest

from pipeline.inference.contact_sheet import contact_sheet


def _image(width: int, height: int, shade: int) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


def test_each_image_is_fitted_into_its_square() -> None:
    shades = [10, 60, 110, 160, 210]
    sizes = [(300, 100), (10, 40), (64, 64), (500, 500), (1, 900)]
    images = [_image(*size, shade) for size, shade in zip(sizes, shades, strict=True)]
    sheet = contact_sheet(images, list("abcde"), columns=3, side=60)
    assert sheet.dtype == np.uint8 and sheet.shape == (2 * (60 + 36) + 8, 3 * 68 + 8, 3)
    for place, (shade, (width, height)) in enumerate(zip(shades, sizes, strict=True)):
        y, x = 8 + place // 3 * 96 + 30, 8 + place % 3 * 68 + 30
        assert sheet[y - 1, x - 1].tolist() == [shade] * 3  # the middle of its square
        rows, columns = (sheet[y - 30 : y + 30, x - 30 : x + 30] == shade).all(axis=2).nonzero()
        high, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        assert max(high, wide) == 60
        assert (high, wide) == (
            max(1, round(60 * height / max(width, height))),
            max(1, round(60 * width / max(width, height))),
        )


def test_few_images_take_few_columns_and_captions_are_written() -> None:
    sheet = contact_sheet([_image(20, 20, 0)], ["a caption that is far too long for its square" * 3], side=60)
    assert sheet.shape[:2] == (60 + 36 + 8, 60 + 16)
    assert sheet[70:, :].min() < 120  # of the caption
    assert sheet[:, 70:].min() == 245  # which ends where the square does


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="expected images with a caption each, found 0 and 0"):
        contact_sheet([], [])
    with pytest.raises(ValueError, match="found 1 and 2"):
        contact_sheet([_image(9, 9, 0)], ["a", "b"])
