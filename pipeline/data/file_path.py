"""A file or folder that people hand in, on a disk or in an object store: what both ways to it have in common."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from pipeline.data.object_path import ObjectPath
from pipeline.engine.daemon_pool import DaemonPool
from pipeline.engine.object_access import SCHEMES
from pipeline.engine.redaction import redact
from pipeline.engine.worker_group import prefetch

FilePath = Path | ObjectPath
A = TypeVar("A")
B = TypeVar("B")

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_FILES_AT_ONCE: Final = 64  # of labels, in a store: at 20 ms each, 3,000 small files a second
_IMAGES_AT_ONCE: Final = 16


def is_object(address: str) -> bool:
    """Returns whether a text is the address of objects rather than a path on a disk."""
    return (found := _URL.match(address)) is not None and found[1] in SCHEMES


def file_path(address: str) -> FilePath:
    """Returns the path of a text: ``s3://``, ``gs://`` and ``az://`` are objects, everything else is on a disk.

    Raises ValueError: another URL, or options that the store does not know.
    """
    if is_object(address):
        return ObjectPath.of(address)
    if _URL.match(address):
        raise ValueError(
            f"{redact(address)!r} is a URL: expected a folder, {', '.join(f'{each}://' for each in SCHEMES)}"
        )
    return Path(address)


def address_of(path: FilePath) -> str:
    """Returns the text that `file_path` makes this path of, with its keys: never to be shown."""
    return path.address if isinstance(path, ObjectPath) else str(path)


def path_below(path: FilePath, folder: FilePath) -> PurePosixPath:
    """Returns a path as seen from a folder around it; "." for the folder. Raises ValueError: it is not in there."""
    if isinstance(path, ObjectPath) and isinstance(folder, ObjectPath):
        return path.relative_to(folder)
    return PurePosixPath(Path(str(path)).relative_to(str(folder)).as_posix())


def common_folder(one: FilePath, other: FilePath) -> FilePath:
    """Returns the closest folder that holds both, which may be one of them. Raises ValueError: there is none."""
    if isinstance(one, ObjectPath) and isinstance(other, ObjectPath):
        return one.common(other)
    if isinstance(one, ObjectPath) or isinstance(other, ObjectPath):
        raise ValueError(f"expected both on a disk, or both in one store, found {one} and {other}")
    found = Path(os.path.commonpath([one.absolute(), other.absolute()]))
    return found if found.is_dir() else found.parent


def read_beginning(path: FilePath, count: int) -> bytes:
    """Returns the first bytes of a file, ``count`` at most. Raises OSError."""
    if isinstance(path, ObjectPath):
        return path.read_beginning(count)
    with path.open("rb") as stream:
        return stream.read(count)


def read_all(files: Sequence[FilePath]) -> Iterator[bytes]:
    """Yields the bytes of each of many small files in order; objects are read ahead in threads. Raises OSError."""
    if not any(isinstance(each, ObjectPath) for each in files):
        yield from (file.read_bytes() for file in files)
        return
    with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="read") as threads:
        yield from prefetch(threads, lambda file: file.read_bytes(), files, 2 * _FILES_AT_ONCE)


def read_ahead(
    address: str,
    read: Callable[[A], B],
    arguments: Iterable[A],
    cost: Callable[[A], float] = lambda argument: 0.0,
    room: float = math.inf,
) -> Iterator[B]:
    """Yields read(a) in order, of files below a dataset's address: from a store several ahead, in threads.

    A request takes tens of milliseconds, which those of the next files fill. From a disk they are read one by one.

    Args:
        address: of the dataset.
        read: of any thread; what it raises is raised here, in its turn.
        arguments: one per file.
        cost: bytes that are held of one of them, roughly.
        room: what is ahead holds no more bytes than this; a single one may.
    """
    if not is_object(address):
        yield from map(read, arguments)
        return
    with DaemonPool(_IMAGES_AT_ONCE, "fetch") as threads:
        yield from prefetch(threads, read, arguments, 2 * _IMAGES_AT_ONCE, cost, room)
