"""Pillow's images, opened whatever their size, and HEIC where the package for it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock
from typing import Any, Final

HEIF: Final = "HEIF"
"""Name of the format that pillow-heif adds to Pillow's."""

_OPENING: Final = Lock()


def opened(file: Any, formats: list[str]) -> Any:
    """Returns an opened Pillow image of any size; its pixels are decoded when they are asked for.

    Pillow's limit is one of the process and not of a call, and its warning goes to the terminal: both are set aside
    during the call only, since other code may rely on them.

    Args:
        file: a path, or an open file.
        formats: Pillow's names of those that are tried.

    Raises what Pillow raises, `PIL.UnidentifiedImageError` for a file of none of these formats.
    """
    from PIL import Image as Pillow

    with _OPENING:
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            return Pillow.open(file, formats=formats)
        finally:
            Pillow.MAX_IMAGE_PIXELS = limit


def reads_heic() -> bool:
    """Returns whether Pillow reads HEIC, by the extra ``heic`` of this project; it does from now on."""
    if find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True
