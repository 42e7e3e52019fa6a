"""The kinds of image files, by their first bytes, and by the endings of their names.

A file that is an image by its bytes or its name is taken as one; where it cannot be read, its row has an error. Every
other file is skipped.
"""

import re
from collections.abc import Mapping
from typing import Final

from pipeline.engine.file_kind import HEAD as _KNOWN
from pipeline.engine.file_kind import file_kind

HEAD: Final = 64
"""First bytes of a file that determine its kind."""

READ: Final[Mapping[str, tuple[str, ...]]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp", ".dib"),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PNM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG 2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
}
"""Kinds that are read, with the endings that claim to be one of them."""

HEIC: Final = "HEIC"
"""Read where the extra ``heic`` is installed."""

NOT_READ: Final[Mapping[str, tuple[str, ...]]] = {
    HEIC: (".heic", ".heif", ".hif"),
    "JPEG XL": (".jxl",),
    "Photoshop": (".psd", ".psb"),
    "OpenEXR": (".exr",),
    "Radiance HDR": (".hdr",),
    "QOI": (".qoi",),
    "Targa": (".tga",),
    "camera raw": (
        *(".arw", ".cr2", ".cr3", ".crw", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"),
    ),
}
"""Kinds that photographs come in and that no library of the plain install reads."""

ENDINGS: Final = tuple(ending for kinds in (READ, NOT_READ) for endings in kinds.values() for ending in endings)

# Brands of a container that many formats share: its first box has the main brand, then compatible ones.
_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
    b"crx ": "camera raw",
}
_HEIF: Final = (b"mif1", b"msf1")  # the family of both; the brand of the coding follows

_STARTS: Final = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"RIFF.{4}WEBP", "WebP"),
    (rb"GIF8[79]a", "GIF"),
    (rb"II\*\0.{4}CR|IIR[OS]|MMOR|IIU\0|FUJIFILM", "camera raw"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    # Two letters alone would make images of some texts: sizes follow them.
    (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"P[1-6]\s+(?:#|\d)", "PNM"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (rb"8BPS\0[\1\2]", "Photoshop"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"#\?(?:RADIANCE|RGBE)\n", "Radiance HDR"),
    (rb"qoif.{8}[\3\4][\0\1]", "QOI"),
)


def kind_of(head: bytes) -> str | None:
    """Returns the kind of an image file by its first `HEAD` bytes, a name of `READ` or `NOT_READ`; None for others."""
    if head[4:8] == b"ftyp":
        return _brand(head)
    return next((kind for start, kind in _STARTS if re.match(start, head, re.DOTALL)), None)


def no_image(data: bytes) -> str:
    """Returns, for a message, what the bytes of a file are that is no image."""
    what = file_kind(data[:_KNOWN])
    known = "" if what.startswith(("text that", "bytes that")) else f", {what}"
    return f"not an image: {len(data)} bytes that start with {data[:12]!r}{known}"


def claims_to_be_image(name: str) -> bool:
    """Returns whether a file's name ends like that of an image, in any case."""
    return name.lower().endswith(ENDINGS)


def _brand(head: bytes) -> str | None:
    size = min(int.from_bytes(head[:4], "big"), len(head))
    first, others = head[8:12], [head[at : at + 4] for at in range(16, size - 3, 4)]
    if first in _BRANDS or first not in _HEIF:
        return _BRANDS.get(first)
    return next((_BRANDS[each] for each in others if each in _BRANDS), "HEIC")
