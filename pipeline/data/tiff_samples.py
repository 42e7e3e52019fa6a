"""Which numbers the first page of a TIFF has: a form says much more than that a file is a TIFF."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

PACKED_BITS: Final = (10, 12, 14)
"""Bits of a sample that are packed without gaps, as some scanners and cameras write them."""

_WIDTH, _HEIGHT, _BITS, _ORIENTATION, _FORMAT = 256, 257, 258, 274, 339
_UNSIGNED, _SIGNED, _FLOAT, _UNDEFINED = 1, 2, 3, 4
_NAMES: Final = {_UNSIGNED: "", _SIGNED: "signed ", _FLOAT: "floating-point ", _UNDEFINED: ""}


@dataclass(frozen=True, slots=True)
class TiffSamples:
    """The numbers of a page: their bits, their format (tag 339), the stored size in pixels, EXIF orientation 1..8."""

    bits: int
    format: int
    width: int
    height: int
    orientation: int

    @property
    def unknown_white(self) -> bool:
        """Whether nothing says which number is white: floats, signed numbers, and integers of more than 16 bits."""
        return self.bits > 16 or (self.bits > 8 and self.format not in (_UNSIGNED, _UNDEFINED))

    @property
    def packed(self) -> bool:
        """Whether the bits are `PACKED_BITS`."""
        return self.bits in PACKED_BITS

    def __str__(self) -> str:
        """Returns "32-bit floating-point numbers"."""
        return f"{self.bits}-bit {_NAMES.get(self.format, 'odd ')}numbers"


def tiff_samples(data: bytes) -> TiffSamples | None:
    """Returns the numbers of the first page; None where its tags cannot be read, which has an error of its own."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file = BytesIO(data)
    try:
        tags = ImageFileDirectory_v2(file.read(16 if data[2:3] == b"+" or data[3:4] == b"+" else 8))
        file.seek(tags.next)
        tags.load(file)
        width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
        bits, kind = _first(tags.get(_BITS, 1)), _first(tags.get(_FORMAT, _UNSIGNED))
        orientation = _first(tags.get(_ORIENTATION, 1))
    except Exception:  # Pillow raises errors of many types for damaged bytes
        return None
    return TiffSamples(bits, kind, width, height, orientation if 1 <= orientation <= 8 else 1)


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)
