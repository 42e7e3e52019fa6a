"""Sizes of the images of a folder, for boxes that are shares of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.image_files import image_sizes, locate_images


def sizes_in_folder(folder: Path, names: Sequence[str]) -> NDArray[np.int32]:
    """Returns int32 [N, 2], width and height in pixels of the images of a folder, at any depth; zeros where absent.

    Raises FileNotFoundError: no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--image-folder {folder}: expected a folder, found none")
    files = {path for path, _ in scan(folder)}
    return image_sizes(folder, locate_images(names, files))
