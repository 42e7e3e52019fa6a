"""A header of any size, and the limit of the process as it was."""

from __future__ import annotations

import io
import struct
import zlib
from importlib.util import find_spec

import pytest
from PIL import Image as Pillow

from pipeline.data.pillow_images import HEIF, opened, reads_heic


def huge_png() -> io.BytesIO:
    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\xae\x42\x60\x82")


def test_a_size_that_pillow_refuses_and_its_limit_for_others(recwarn: pytest.WarningsRecorder) -> None:
    before = Pillow.MAX_IMAGE_PIXELS
    assert opened(huge_png(), ["PNG"]).size == (200_000, 200_000)
    assert not recwarn.list
    for formats in (["JPEG"], []):
        with pytest.raises(Pillow.UnidentifiedImageError):
            opened(huge_png(), formats)
    assert before == Pillow.MAX_IMAGE_PIXELS
    with pytest.raises(Pillow.DecompressionBombError):
        Pillow.open(huge_png())


def test_heic_is_one_of_pillows_formats_where_its_package_is_installed() -> None:
    assert reads_heic() == (find_spec("pillow_heif") is not None)
    assert reads_heic() == (HEIF in Pillow.OPEN)
