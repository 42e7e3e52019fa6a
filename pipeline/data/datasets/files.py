"""Images that lie in a folder: listing them with their stamps, and reading one with its labels into a `Sample`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.images import ImageError, check_complete, digest, read_header
from pipeline.data.records import Sample

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class Labels:
    """The faces of one image.

    Attributes:
        boxes: float32 [F, 4], xyxy in pixels of the upright image.
        attributes: name -> int8 [F]; empty where the dataset has none.
        levels: subset -> bool [F], whether the face counts in it.
    """

    boxes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    attributes: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    levels: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


def require_folder(root: str) -> Path:
    """Returns ``root`` as a path.

    Raises:
        FileNotFoundError: it is not a folder, or a URL.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", root):
        raise FileNotFoundError(
            f"dataset folder {root!r} is a URL: datasets are read from local or mounted folders "
            "(the store, for what is computed, may be on S3)"
        )
    folder = Path(root)
    if not root or not folder.is_dir():
        raise FileNotFoundError(f"dataset folder {root!r} does not exist")
    return folder


def scan(
    root: str,
    folder: str = "",
    wanted: Callable[[str], bool] = lambda directory: True,
    above: tuple[tuple[int, int], ...] = (),
) -> Iterator[tuple[str, str]]:
    """Yields (path relative to ``root`` with forward slashes, "size:mtime_ns") of every image below ``root/folder``.

    Hidden files and folders are left out, and links to a folder they lie in; no file is opened. Order is the file
    system's.

    Args:
        root: dataset folder.
        folder: where below it to start, forward slashes.
        wanted: told a directory's path relative to ``root``, says whether to go in.
        above: device and number of the folders around this one.

    Raises:
        FileNotFoundError: ``root/folder`` does not exist.
    """
    here = os.path.join(root, folder)
    around = (*above, _identity(os.stat(here)))
    with os.scandir(here) as items:
        for item in items:
            if item.name.startswith("."):
                continue
            path = f"{folder}/{item.name}" if folder else item.name
            if _is_folder(item):
                if wanted(path) and not (item.is_symlink() and _identity(item.stat()) in around):
                    yield from scan(root, path, wanted, around)
            elif path.lower().endswith(SUFFIXES) and (stamp := _stamp(item)):
                yield path, stamp


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False


def _stamp(item: os.DirEntry[str]) -> str:
    """Returns the file's stamp; "" for what is no file, and what is wrong where not even that can be told."""
    try:
        return file_stamp(item.stat()) if item.is_file() else ""  # a link to nowhere is no file
    except OSError as error:  # one row with an error, as for any other file that cannot be read
        return f"unreadable:{error.errno}"


def file_stamp(stat: os.stat_result) -> str:
    """Returns "size:mtime_ns", which changes whenever a file is written again."""
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def label_digest(*parts: bytes) -> str:
    """Returns a BLAKE2b-64 (16 hexadecimal digits) of label bytes, for the last part of an entry's stamp."""
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def present(
    listed: Sequence[str], stamps: Mapping[str, str], annotation: Path, missing: str
) -> Iterator[tuple[int, str, str]]:
    """Yields (position, path, file stamp) of the listed images that exist.

    Args:
        listed: paths that an annotation names.
        stamps: path -> file stamp of what lies on disk.
        annotation: named in the message.
        missing: "error" refuses an incomplete folder, "skip" leaves the absent images out.

    Raises:
        FileNotFoundError: images are missing and ``missing`` is "error", or none is there at all.
    """
    absent = [path for path in listed if path not in stamps]
    if absent and (missing == "error" or len(absent) == len(listed)):
        advice = (
            "; set `missing: skip` of the dataset to use only those present, e.g. --set faces.dataset.missing=skip"
            if len(absent) < len(listed)
            else ""
        )
        raise FileNotFoundError(
            f"{len(absent)} of {len(listed)} images named by {annotation} are missing: {', '.join(absent[:3])}"
            f"{', ...' if len(absent) > 3 else ''}{advice}"
        )
    for position, path in enumerate(listed):
        if (stamp := stamps.get(path)) is not None:
            yield position, path, stamp


def read_sample(root: str, image_id: str, path: str, labels: Labels) -> Sample:
    """Returns the sample of one image file: size from the header and digest, from bytes that are read once."""
    try:
        data = (Path(root) / path).read_bytes()
    except OSError as error:
        return _sample(image_id, path, "", (0, 0), labels, f"cannot read the file: {error.strerror}")
    try:
        size = read_header(data)
        check_complete(data)
    except ImageError as error:
        return _sample(image_id, path, digest(data), (0, 0), labels, str(error))
    return _sample(image_id, path, digest(data), size, labels, None)


def _sample(
    image_id: str, path: str, checksum: str, size: tuple[int, int], labels: Labels, error: str | None
) -> Sample:
    return Sample(
        image_id=image_id,
        path=path,
        digest=checksum,
        width=size[0],
        height=size[1],
        boxes=labels.boxes,
        attributes=labels.attributes,
        levels=labels.levels,
        error=error,
    )
