"""Sizes of images for boxes that are shares of them: from labels, the images beside these, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.labels.image_files import image_sizes, locate_images
from pipeline.data.image_names import NameIndex

Int32 = NDArray[np.int32]
Sizes = Callable[[Sequence[str]], Int32]
"""Names of images -> int32 [N, 2], width and height in pixels, zeros where unknown."""


def sizes_in_folder(folder: Path, names: Sequence[str]) -> Int32:
    """Returns int32 [N, 2], width and height in pixels of the images of a folder, at any depth; zeros where absent.

    Raises FileNotFoundError: no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--image-folder {folder}: expected a folder, found none")
    files = {path for path, _ in scan(folder)}
    return image_sizes(folder, locate_images(names, files))


def sizes_by_labels(labels: Path, names: Sequence[str], category: str | None = None) -> Int32:
    """Returns int32 [N, 2] of labelled images, of the image files where the labels do not have them; else zeros.

    Args:
        labels: of one of `labels.forms.FORMS`.
        names: of images.
        category: name of the objects that are faces; None where all have one name.

    Raises as `find_labels` and its form's reader.
    """
    found = find_labels(labels, category=(category,) if category else ())
    table = found.table()
    sizes = table.sizes.copy()
    absent = np.flatnonzero((sizes <= 0).any(axis=1)).tolist()
    if absent and found.name != "face_eval_mat":
        paths = found.files(table)
        sizes[absent] = image_sizes(found.root, [paths[place] or "" for place in absent])
    place_of = {name: place for place, name in enumerate(table.names)}
    index = NameIndex(table.names)
    known = np.concatenate([sizes, np.zeros((1, 2), np.int32)])
    places = [place_of.get(index.find(name) or "", -1) for name in names]
    return known[places].reshape(-1, 2)
