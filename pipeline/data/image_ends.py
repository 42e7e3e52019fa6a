"""Whether a compressed image is whole: decoders fill the missing part with grey, without an error."""

from typing import Final

from pipeline.data.jpeg_segments import SCAN, jpeg_segments

_JPEG_END: Final = b"\xff\xd9"
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def missing_end(data: bytes) -> str | None:
    """Returns which end a JPEG or PNG lacks, None for a whole one and for any other format."""
    if data[:2] == b"\xff\xd8":
        return None if _has_jpeg_end(data) else f"truncated JPEG: no end marker in {len(data)} bytes"
    if data.startswith(_PNG_SIGNATURE):
        return None if _has_png_end(data) else f"truncated PNG: no IEND chunk in {len(data)} bytes"
    return None


def _has_jpeg_end(data: bytes) -> bool:
    # In coded data 0xff is followed by a zero, so that these two bytes can only be the end. Searched from the first
    # scan on: a thumbnail in a segment before it has an end of its own. Most files end with it.
    return any(marker == SCAN and data.rfind(_JPEG_END, position) >= 0 for marker, position in jpeg_segments(data))


def _has_png_end(data: bytes) -> bool:
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        if data[position + 4 : position + 8] == b"IEND":
            return True
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False
