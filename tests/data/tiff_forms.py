"""TIFF files of any kind of number, which Pillow and OpenCV do not write."""

from __future__ import annotations

import struct

import numpy as np

UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def tiff_of(image: np.ndarray, bits: int, form: int, *, orientation: int = 1) -> bytes:
    """Returns an uncompressed TIFF of numbers [H, W, 1 or 3] with so many bits, packed without gaps below 16."""
    height, width, channels = image.shape
    if form == UNSIGNED and bits not in (8, 16, 32):
        rows = ("".join(f"{value:0{bits}b}" for value in row.ravel()) for row in image)
        padded = (row + "0" * (-len(row) % 8) for row in rows)
        data = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in padded)
    else:
        kind = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[form]
        data = image.astype(f"<{kind}{bits // 8}").tobytes()
    pairs = [struct.pack("<3H", *[value] * 3) for value in (bits, form)]  # of three channels, behind the tags
    long, short, behind = 4, 3, 8 + 2 + 12 * 11 + 4
    tags = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, channels, behind if channels == 3 else bits),
        (259, short, 1, 1),
        (262, short, 1, 2 if channels == 3 else 1),
        (273, long, 1, behind + 12),
        (274, short, 1, orientation),
        (277, short, 1, channels),
        (278, long, 1, height),
        (279, long, 1, len(data)),
        (339, short, channels, behind + 6 if channels == 3 else form),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + b"".join(pairs) + data
