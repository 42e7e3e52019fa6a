"""What the tags of a TIFF say of its numbers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from pipeline.data.tiff_samples import TiffSamples, tiff_samples
from tests.data.tiff_forms import FLOAT, SIGNED, UNSIGNED, tiff_of

IMAGE = np.arange(60, dtype=np.uint16).reshape(4, 5, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_bits_format_and_size(channels: int) -> None:
    samples = tiff_samples(tiff_of(IMAGE[..., :channels], 12, UNSIGNED, orientation=6))
    assert samples == TiffSamples(12, UNSIGNED, 5, 4, 6)
    assert samples.packed and not samples.unknown_white


@pytest.mark.parametrize(
    ("bits", "form", "words", "unknown"),
    [
        (8, UNSIGNED, "8-bit numbers", False),
        (16, UNSIGNED, "16-bit numbers", False),
        (8, SIGNED, "8-bit signed numbers", False),  # old programs mark their plain bytes so
        (16, SIGNED, "16-bit signed numbers", True),
        (32, UNSIGNED, "32-bit numbers", True),
        (64, FLOAT, "64-bit floating-point numbers", True),
    ],
)
def test_which_numbers_have_no_white(bits: int, form: int, words: str, unknown: bool) -> None:
    samples = tiff_samples(tiff_of(IMAGE, bits, form))
    assert samples is not None
    assert (str(samples), samples.unknown_white) == (words, unknown)


def test_both_byte_orders_and_the_large_form() -> None:
    for options in ({}, {"big_tiff": True}):
        buffer = io.BytesIO()
        Pillow.fromarray(np.zeros((4, 5), np.uint8)).save(buffer, "TIFF", **options)
        assert tiff_samples(buffer.getvalue()) == TiffSamples(8, UNSIGNED, 5, 4, 1)
    big = io.BytesIO()
    Pillow.frombytes("I;16B", (5, 4), bytes(40)).save(big, "TIFF")
    assert big.getvalue()[:2] == b"MM"
    assert tiff_samples(big.getvalue()) == TiffSamples(16, UNSIGNED, 5, 4, 1)


def test_damaged_tags_are_left_to_the_decoder() -> None:
    whole = tiff_of(IMAGE, 16, UNSIGNED)
    for data in (whole[:6], whole[:20], whole[:4] + b"\xff\xff\xff\xff" + whole[8:], b"II*\0"):
        assert tiff_samples(data) is None
