"""The memory of decoding is known before: measured peaks of every form of an image file are within it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from pipeline.data.decode_memory import Decoding, Room
from pipeline.data.images import ImageError, decode, encode_jpeg
from tests.data.decode_peaks import bytes_to_decode

ROOT = Path(__file__).resolve().parents[2]


def test_no_form_takes_more_than_its_estimate(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.data.decode_peaks", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) == 31
    too_much = {name: each for name, each in found.items() if each["measured"] > each["estimated"]}
    assert too_much == {}
    far_too_little = {name: each for name, each in found.items() if each["measured"] < 0.4 * each["estimated"]}
    assert far_too_little == {}


def test_what_there_is_no_room_for_is_refused_with_the_limit() -> None:
    data = encode_jpeg(np.zeros((1000, 2000, 3), np.uint8))
    need = bytes_to_decode(data) + len(data)
    assert decode(data, Room(need, "a limit of 1")).shape == (1000, 2000, 3)
    message = r"^a JPEG image of 2000 x 1000 pixels \(RGB\) takes 0\.02 GB to decode, and a limit of 1 leaves 0\.02$"
    with pytest.raises(ImageError, match=message):
        decode(data, Room(need - 1, "a limit of 1"))


def test_a_bomb_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    """169 megapixels of nothing: 0.5 MB as a PNG of 16 bits, which once took 2.4 GB at a budget of 2."""
    size = (13_000, 13_000)
    sink = BytesIO()
    Pillow.new("1", size).save(sink, "PNG")
    data = sink.getvalue()
    assert len(data) < 1_000_000
    with pytest.raises(ImageError, match=r"takes 1\.03 GB to decode, and memory_budget_gb of 1\.5 leaves 0\.50"):
        decode(data, Room(2**29, "memory_budget_gb of 1.5"))


@pytest.mark.parametrize(
    ("decoding", "bytes_per_pixel"),
    [
        (Decoding("JPEG", "RGB"), 3),
        (Decoding("JPEG", "RGB", turned=True), 6),
        (Decoding("JPEG", "RGB", turned=True, several_scans=True), 9),
        (Decoding("MPO", "L", several_scans=True), 5),
        (Decoding("JPEG", "CMYK", several_scans=True), 12),
        (Decoding("TIFF", "CMYK", turned=True), 8.2),
        (Decoding("TIFF", "LA"), 7.4),
        (Decoding("PNG", "I;16"), 6.5),
        (Decoding("JPEG2000", "RGBA"), 17.5),
    ],
)
def test_the_peak_follows_from_the_form(decoding: Decoding, bytes_per_pixel: float) -> None:
    assert decoding.peak_bytes(1000, 100) - decoding.peak_bytes(0, 0) == int(100_000 * bytes_per_pixel)


def test_a_strip_is_held_beside_the_image_with_its_compressed_bytes() -> None:
    assert Decoding("TIFF", "RGB", strip_bytes=300).peak_bytes(9, 9) == Decoding("TIFF", "RGB").peak_bytes(9, 9) + 400
