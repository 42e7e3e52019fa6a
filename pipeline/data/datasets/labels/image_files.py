"""The image files that labels mean: by path, in ``images``, or by the one file whose path ends alike."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.file_path import FilePath, address_of, read_ahead
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.image_names import without_ending
from pipeline.data.images import ImageError, read_header
from pipeline.engine.object_reader import UnreachableError

Sizes = Callable[[Sequence[str]], NDArray[np.int32]]
"""Names of images -> int32 [N, 2], width and height in pixels, zeros where unknown."""

_ELSEWHERE: Final = re.compile(r"/|\w+:/")  # a path of another machine, or an address
_UPLOAD: Final = re.compile(r"(^|/)[0-9a-f]{8}-(?=[^/]+$)")  # Label Studio puts it before the name of an upload


def locate_images(names: Sequence[str], files: Collection[str], folder: str = "") -> list[str]:
    """Returns the file of each image, relative to the root; for one that is not there, where it was expected.

    Args:
        names: of images, as labels have them.
        files: every file below the folder, relative to the root, forward slashes.
        folder: of the images, relative to the root, "" for the root.
    """
    prefix = f"{folder.strip('/')}/" if folder.strip("/.") else ""
    expected = [PurePosixPath(prefix, name).as_posix() for name in names]
    absent = [position for position, path in enumerate(expected) if path not in files]
    if not absent:
        return expected
    index = None
    for position in absent:
        beside = f"{prefix}images/{names[position]}"
        if beside in files:
            expected[position] = beside
            continue
        index = index or _Endings(path for path in files if path.startswith(prefix) and claims_to_be_image(path))
        found = index.find(names[position]) or index.find(_UPLOAD.sub(r"\1", names[position]))
        expected[position] = found or expected[position]
    if index is not None:
        elsewhere = [place for place in absent if expected[place] not in files and _ELSEWHERE.match(names[place])]
        _locate_by_end(elsewhere, names, expected, index)
    return expected


def _locate_by_end(places: Sequence[int], names: Sequence[str], expected: list[str], index: _Endings) -> None:
    """Puts the file with the most folders in common for each of some names; none where two names would share one."""
    taken = set(expected)
    found = {place: index.nearest(names[place]) for place in places}
    times = Counter(found.values())
    for place, path in found.items():
        if path is not None and times[path] == 1 and path not in taken:
            expected[place] = path


class _Endings:
    """Files by their last name, to find the one whose path ends as a name does, or the other way round."""

    def __init__(self, files: Iterable[str]) -> None:
        self._by_last = defaultdict[str, list[str]](list)
        for path in files:
            self._by_last[without_ending(path).rpartition("/")[2]].append(path)

    def find(self, name: str) -> str | None:
        """Returns the file, or None where it is none or several; where several differ in their ending, that counts."""
        stem = without_ending(name)
        found = [path for path in self._by_last.get(stem.rpartition("/")[2], ()) if _alike(stem, without_ending(path))]
        if len(found) > 1:
            found = [path for path in found if _alike(name, path)]
        return found[0] if len(found) == 1 else None

    def nearest(self, name: str) -> str | None:
        """Returns the file of the same last name with the most folders above it in common; None where several have."""
        stem = without_ending(name)
        found = self._by_last.get(stem.rpartition("/")[2], [])
        shared = [_common_folders(stem, without_ending(path)) for path in found]
        most = max(shared, default=0)
        best = [path for path, count in zip(found, shared, strict=True) if count == most]
        return best[0] if len(best) == 1 else None


def _common_folders(one: str, other: str) -> int:
    """Returns how many parts at the end of two paths are equal."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return f"/{long}".endswith(f"/{short}")


def image_sizes(root: FilePath, paths: Sequence[str]) -> NDArray[np.int32]:
    """Returns int32 [N, 2], width and height in pixels of each image below a folder, zeros where one cannot be read."""
    sizes = np.zeros((len(paths), 2), np.int32)

    def size(path: str) -> tuple[int, int]:
        try:
            return read_header(read_file(root / path))
        except UnreachableError:
            raise
        except (OSError, ImageError, NotAFileError):
            return 0, 0

    for position, found in enumerate(read_ahead(address_of(root), size, paths)):
        sizes[position] = found
    return sizes
