"""The text files of predictions, one per image, from a folder, a tar archive or a zip archive, at any depth."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from pipeline.engine.file_kind import HEAD, file_kind

_TARS: Final = ("a gzip file", "a bzip2 file", "an xz file", "a tar archive")
_ZIPS: Final = ("a zip archive", "an empty zip archive")
LARGEST: Final = 64 * 2**20
"""Bytes of one file of an archive: the boxes of one image are a thousandth of it."""
LARGEST_SUM: Final = 4 * 2**30
"""Bytes of all of them: 5,000 boxes in each of the 16,097 images of the test split are less."""


@dataclass(frozen=True, slots=True)
class Member:
    """A text file: its path in the source with forward slashes, its bytes' number, and how to read it, at once."""

    name: str
    size: int
    read: Callable[[], bytes]

    @property
    def image(self) -> str:
        """The path without ``.txt``."""
        return self.name[: -len(".txt")]


def is_archive(source: Path) -> bool:
    """Returns whether a file is a tar or zip archive, or compressed, by its first bytes."""
    return source.is_file() and _kind(source) in (*_TARS, *_ZIPS)


def members(source: Path, others: list[str], name_all: bool = False) -> Iterator[Member]:
    """Yields every .txt of a folder, .tar.gz, .tgz, .tar or .zip, at any depth; hidden ones are left out.

    Args:
        source: folder or archive.
        others: receives the names of some other files, for messages.
        name_all: of all other files.

    Raises FileNotFoundError: the source does not exist; ValueError: the archive cannot be read, or its files are larger
    than `LARGEST`, together than `LARGEST_SUM`.
    """
    archive, total = source.is_file(), 0
    for member in (_archive if archive else _folder)(source):
        last = PurePosixPath(member.name).name
        if last.startswith(".") or member.name.startswith("__MACOSX/"):
            continue
        if last.lower().endswith(".txt"):
            total += member.size
            # Before a byte is unpacked: 2 MB of an archive may hold gigabytes of zeros.
            if archive and (member.size > LARGEST or total > LARGEST_SUM):
                raise ValueError(f"{source}: {_too_large(member, total)}")
            yield member
        elif name_all or len(others) < 3:
            others.append(member.name)


def _too_large(member: Member, total: int) -> str:
    if member.size > LARGEST:
        return f"{member.name}: expected at most {LARGEST:,} bytes of one image, found {member.size:,}"
    return f"expected files of at most {LARGEST_SUM:,} bytes together, found {total:,} up to {member.name}"


def text_files(source: Path, others: list[str]) -> dict[str, bytes]:
    """Returns "<event>/<name>" -> content of every .txt of `members`; the key is the last two parts of its path.

    Raises as `members`; ValueError: two files claim to be the same image's.
    """
    return dict(_keyed(source, members(source, others)))


def _folder(source: Path) -> Iterator[Member]:
    if not source.is_dir():
        raise FileNotFoundError(f"no predictions at {source}: expected a folder, a .tar.gz or a .zip")
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            size = path.stat().st_size if path.exists() else 0
            yield Member(path.relative_to(source).as_posix(), size, path.read_bytes)


def _archive(source: Path) -> Iterator[Member]:
    kind = _kind(source)
    try:
        yield from (_zip if kind in _ZIPS else _tar)(source)
    except Exception as error:  # tarfile, zipfile, gzip, bz2 and lzma have their own kinds for bytes that are damaged
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        found = f"{kind}, perhaps cut off ({reason})" if kind in (*_TARS, *_ZIPS) else kind
        expected = "a folder or a whole .tar.gz or .zip of <event>/<name>.txt"
        form = "zip" if kind in _ZIPS else "tar"
        raise ValueError(f"{source} cannot be read as a {form} archive: expected {expected}, found {found}") from error


def _tar(source: Path) -> Iterator[Member]:
    with tarfile.open(source) as archive:
        for item in archive:
            if item.isfile():
                yield Member(item.name.removeprefix("./"), item.size, partial(_read, archive, item))


def _read(archive: tarfile.TarFile, item: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(item)
    return content.read() if content else b""


def _zip(source: Path) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for item in archive.infolist():
            if not item.is_dir():
                yield Member(item.filename, item.file_size, partial(archive.read, item))


def _kind(source: Path) -> str:
    with source.open("rb") as file:
        return file_kind(file.read(HEAD))


def _keyed(source: Path, files: Iterable[Member]) -> Iterator[tuple[str, bytes]]:
    """Yields ("<event>/<name>", content), the key being the last two parts of each path."""
    seen: dict[str, str] = {}
    for member in files:
        key = "/".join(PurePosixPath(member.image).parts[-2:])
        if key in seen:
            raise ValueError(f"{source}: {seen[key]} and {member.name} are both files of {key}")
        seen[key] = member.name
        yield key, member.read()
