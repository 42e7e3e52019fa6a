"""Images in order whatever the threads do, an error in the place of its image, and a bounded number ahead."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import decode_ahead as module
from pipeline.data import decode_memory
from pipeline.data.decode_ahead import decode_ahead
from pipeline.data.decode_memory import Room
from pipeline.data.images import Image, ImageError, ImageTooLargeError, decode, encode_png


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_bytes(encode_png(np.full((10, 20 + number, 3), number, np.uint8)))
    return paths


@pytest.mark.parametrize("ahead", [1, 3, 20])
def test_order_and_errors(files: list[Path], ahead: int) -> None:
    files[2].write_bytes(b"no image")
    files[5].unlink()
    found = dict(decode_ahead(files, ahead))
    assert list(found) == files
    assert isinstance(found[files[2]], ImageError)
    assert isinstance(found[files[5]], FileNotFoundError)
    for number in (0, 1, 3, 4, 6, 7):
        np.testing.assert_array_equal(found[files[number]], decode(files[number].read_bytes()))


def test_a_limit_is_the_error_of_the_larger_ones(files: list[Path]) -> None:
    found = [image for _, image in decode_ahead(files, max_megapixels=0.000235)]
    assert [isinstance(each, ImageTooLargeError) for each in found] == [number > 3 for number in range(8)]


def test_what_the_machine_cannot_hold_is_an_error_and_not_its_end(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_memory, "memory_limit", lambda: 2**20)
    found = [image for _, image in decode_ahead(files)]
    assert all(isinstance(each, ImageError) for each in found)
    assert "and the memory of this machine leaves 0.00" in str(found[0])


@pytest.mark.parametrize(("pixels", "most"), [(10**9, 2), (550, 1), (1, 0)])
def test_the_next_image_is_decoded_during_this_one_and_no_more(
    files: list[Path], pixels: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AHEAD_PIXELS", pixels)
    begun: list[int] = []
    there = threading.Condition()

    def counted(data: bytes, room: Room, max_megapixels: float) -> Image:
        with there:
            begun.append(1)
            there.notify_all()
        return decode(data, room, max_megapixels)

    monkeypatch.setattr(module, "decode", counted)
    for used, _ in enumerate(decode_ahead(files, 2), 1):
        expected = min(used + most, len(files))
        with there:
            assert there.wait_for(lambda: len(begun) >= expected, timeout=20)  # noqa: B023
            assert len(begun) == expected


def test_one_that_is_left_early_leaves_no_thread(files: list[Path]) -> None:
    before = set(threading.enumerate())
    images = decode_ahead(files, 1)
    next(images)
    assert set(threading.enumerate()) - before
    images.close()
    for each in set(threading.enumerate()) - before:
        each.join(timeout=20)
        assert not each.is_alive()
