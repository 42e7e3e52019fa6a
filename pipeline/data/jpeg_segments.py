"""The segments of a JPEG's header: marker and position of each, up to the first scan."""

from collections.abc import Iterator
from typing import Final

SCAN: Final = 0xDA
"""Marker of a scan: its coded data follow its segment."""

_SEQUENTIAL: Final = (0xC0, 0xC1)
_NO_FRAMES: Final = (0xC4, 0xC8, 0xCC)  # tables, and one that is reserved, among the markers of frames 0xC0 to 0xCF


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields (marker, position) of each segment, the first scan's last; fewer where the header is damaged.

    The position is that of the byte 0xff before the marker; the length, two bytes, is behind the marker.
    """
    position = 2
    while data[position : position + 1] == b"\xff" and position + 4 <= len(data):
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte has no length
            position += 1
            continue
        yield marker, position
        if marker == SCAN:
            return
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def in_several_scans(data: bytes) -> bool:
    """Returns whether a JPEG is progressive, or has its components one after another: held whole as coefficients.

    True also for a header that is damaged or cut off: its memory is then assumed to be the most there can be.
    """
    components = 0
    for marker, position in jpeg_segments(data):
        if position + 10 > len(data):
            return True
        if marker == SCAN:
            return data[position + 4] < components
        if marker in _SEQUENTIAL:
            components = data[position + 9]
        elif 0xC2 <= marker <= 0xCF and marker not in _NO_FRAMES:
            return True
    return True
