"""Image files in order, decoded in threads while the one before is in work."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from pipeline.data.images import MAX_MEGAPIXELS, Image, ImageError, decode, read_header
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
        ahead: images that are decoded at the same time, in as many threads, beside the one that is in work.
        max_megapixels: larger images are an `ImageTooLargeError`.

    The images are uint8 [H, W, 3] BGR. Those ahead have `AHEAD_PIXELS` at most, so that memory stays the same however
    many images there are, and however large.
    """
    with ThreadPoolExecutor(ahead + 1, thread_name_prefix="decode") as pool:
        waiting: deque[tuple[Path, Future[Image | Exception], int]] = deque()
        try:
            for path, data, pixels in prefetch(pool, partial(_read, max_megapixels), paths, ahead + _FILES_AHEAD):
                while waiting and sum(each[2] for each in waiting) + pixels > AHEAD_PIXELS:
                    yield _next(waiting)
                waiting.append((path, pool.submit(_decode, data, max_megapixels), pixels))
                del data  # 60 MB of a large photograph, else held until the next one
                while len(waiting) > ahead:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:  # an interrupted run does not wait for what is ahead
            pool.shutdown(wait=False, cancel_futures=True)


def _next(waiting: deque[tuple[Path, Future[Image | Exception], int]]) -> tuple[Path, Image | Exception]:
    path, future, _ = waiting.popleft()
    return path, future.result()


def _read(max_megapixels: float, path: Path) -> _Read:
    """Returns path, bytes and number of pixels; instead of the bytes, the error of the file."""
    try:
        data = path.read_bytes()
        width, height = read_header(data, max_megapixels)
    except (OSError, ImageError, MemoryError) as error:
        return path, error, 0
    return path, data, width * height


def _decode(data: bytes | Exception, max_megapixels: float) -> Image | Exception:
    if isinstance(data, Exception):
        return data
    try:
        return decode(data, max_megapixels)
    except (ImageError, MemoryError) as error:
        return error
