from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.api.images import read_bgr
from pipeline.data import decode_memory
from pipeline.data.images import ImageError
from tests.stages.world import drawn_image


def test_a_path_a_pillow_image_and_both_orders_of_an_array_are_the_same_pixels(photo: Path) -> None:
    bgr = drawn_image(4)
    for source in (photo, str(photo), Image.open(photo), bgr[:, :, ::-1]):
        np.testing.assert_array_equal(read_bgr(source), bgr)
    assert read_bgr(bgr, "bgr") is bgr
    assert (read_bgr(bgr) != bgr).any()


def test_a_home_folder_is_expanded(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photo.parent))
    assert read_bgr("~/photo.png").shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32 \[4, 4, 3\]"),
        (np.zeros((4, 4), np.uint8), r"uint8 \[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"uint8 \[0, 4, 3\]"),
        (None, "NoneType"),
        (b"bytes", "bytes"),
    ],
)
def test_what_is_no_image_is_refused(image: object, found: str) -> None:
    with pytest.raises(ValueError, match=f"^image: expected .*, found {found}$"):
        read_bgr(image)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("plain text")
    with pytest.raises(ImageError, match="notes.jpg: not an image"):
        read_bgr(tmp_path / "notes.jpg")
    with pytest.raises(FileNotFoundError):
        read_bgr(tmp_path / "nowhere.jpg")


def test_an_unknown_order_is_refused(photo: Path) -> None:
    with pytest.raises(ValueError, match="channels: expected 'rgb' or 'bgr', found 'hsv'"):
        read_bgr(photo, "hsv")  # type: ignore[arg-type]


def test_a_file_that_the_machine_cannot_hold_is_named(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_memory, "memory_limit", lambda: 2**20)
    with pytest.raises(
        ImageError, match=r"photo\.png: a PNG image of 96 x 64 .* and the memory of this machine leaves"
    ):
        read_bgr(photo)


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="expected an image, found a folder: wider8k detect takes folders"):
        read_bgr(tmp_path)
