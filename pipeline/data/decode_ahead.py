"""Image files in order, decoded in threads while the one before is in work."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from pipeline.data.decode_memory import machine_room
from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.images import MAX_MEGAPIXELS, Image, ImageError, decode, read_header
from pipeline.engine.daemon_pool import DaemonPool
from pipeline.engine.worker_group import prefetch

AHEAD_PIXELS: Final = 2**27
"""Most pixels that are decoded ahead, 0.4 GB; a single image may have more."""

_FILES_AHEAD: Final = 2  # compressed, beyond those that are decoded ahead
_Read = tuple[Path, bytes | Exception, int]


def decode_ahead(
    paths: Iterable[Path], ahead: int = 1, max_megapixels: float = MAX_MEGAPIXELS
) -> Generator[tuple[Path, Image | Exception], None, None]:
    """Yields (path, image) in the order of the paths; instead of an image, the error that its file has.

    Args:
        paths: files.
        ahead: images that are decoded at the same time, in as many threads, beside the one that is in work; at least 1.
        max_megapixels: larger images are an `ImageTooLargeError`; what this machine's memory cannot hold is an
            `ImageError`.

    The images are uint8 [H, W, 3] BGR. Those ahead have `AHEAD_PIXELS` at most, so that memory stays the same however
    many images there are, and however large.
    """
    pool = DaemonPool(ahead + 1, "decode")
    try:
        read = prefetch(pool, partial(_read, max_megapixels), paths, ahead + _FILES_AHEAD)
        yield from prefetch(pool, partial(_decode, max_megapixels), read, ahead, _pixels, AHEAD_PIXELS)
    finally:  # an interrupted run does not wait for what is ahead, nor for a mount that does not answer
        pool.shutdown(cancel_futures=True)


def _read(max_megapixels: float, path: Path) -> _Read:
    """Returns path, bytes and number of pixels; instead of the bytes, the error of the file."""
    try:
        data = read_file(path)
        width, height = read_header(data, max_megapixels)
    except (OSError, NotAFileError, ImageError, MemoryError) as error:
        return path, error, 0
    return path, data, width * height


def _pixels(read: _Read) -> float:
    return read[2]


def _decode(max_megapixels: float, read: _Read) -> tuple[Path, Image | Exception]:
    path, data, _ = read
    if isinstance(data, Exception):
        return path, data
    try:
        return path, decode(data, machine_room(), max_megapixels)
    except (ImageError, MemoryError) as error:
        return path, error
