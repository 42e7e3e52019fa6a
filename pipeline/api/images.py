"""Images as scripts have them: a path, a Pillow image or an array."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.data.decode_memory import machine_room
from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.images import ImageError, decode

Pixels: TypeAlias = NDArray[np.uint8]
ImageSource: TypeAlias = str | PathLike[str] | Pixels | Any
"""A file, uint8 [H, W, 3], or what has a `convert` as Pillow's images have."""

ChannelOrder: TypeAlias = Literal["rgb", "bgr"]


def read_bgr(image: ImageSource, channels: ChannelOrder = "rgb") -> Pixels:
    """Returns uint8 [H, W, 3] BGR.

    Args:
        image: a file of any kind that is read; uint8 [H, W, 3]; or a Pillow image. A file is turned upright by its
            orientation tag, arrays and Pillow images are taken as they are.
        channels: order of an array's channels: "rgb" as Pillow, imageio and matplotlib have them, "bgr" as OpenCV.

    Raises OSError: the file cannot be read; ValueError: it is no whole image, takes more memory than there is,
    or is not such an array.
    """
    if channels not in ("rgb", "bgr"):
        raise ValueError(f"channels: expected 'rgb' or 'bgr', found {channels!r}")
    if isinstance(image, str | PathLike):
        try:
            return decode(read_file(Path(image).expanduser()), machine_room())
        except IsADirectoryError:
            raise IsADirectoryError(
                f"{image}: expected an image, found a folder: wider8k detect takes folders"
            ) from None
        except (ImageError, NotAFileError) as error:
            raise ImageError(f"{image}: {error}") from None
    if hasattr(image, "convert"):
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image: expected a path, a Pillow image or uint8 [H, W, 3], found {what}")
    if min(image.shape) == 0:
        raise ValueError(f"image: expected at least one pixel, found uint8 {list(image.shape)}")
    return image if channels == "bgr" else np.ascontiguousarray(image[:, :, ::-1])
