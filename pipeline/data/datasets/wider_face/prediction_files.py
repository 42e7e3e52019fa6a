"""The text files of predictions, one per image, from a folder, a tar archive or a zip archive, at any depth."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.opened_size import BoundedReader, TooLargeError
from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.engine.machine_memory import memory_limit

_TARS: Final = ("a gzip file", "a bzip2 file", "an xz file", "a tar archive")
_ZIPS: Final = ("a zip archive", "an empty zip archive")
MOST_BYTES: Final = 64 * 2**20
"""Of one file: a million boxes of one image."""


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

    Raises FileNotFoundError: the source does not exist; ValueError: the archive cannot be read, or, when it is read, a
    file is larger than `MOST_BYTES`.
    """
    for member in (_archive if source.is_file() else _folder)(source):
        last = PurePosixPath(member.name).name
        if last.startswith(".") or member.name.startswith("__MACOSX/"):
            continue
        if last.lower().endswith(".txt"):
            yield member
        elif name_all or len(others) < 3:
            others.append(member.name)


def text_files(source: Path, others: list[str]) -> dict[str, bytes]:
    """Returns "<event>/<name>" -> content of every .txt of `members`; the key is the last two parts of its path.

    Raises as `members`; ValueError: two files claim to be the same image's, or all together, decompressed, have more
    bytes than half of the memory.
    """
    found, total, most = dict[str, bytes](), 0, memory_limit() // 2
    for key, content in _keyed(source, members(source, others)):
        found[key] = content
        total += len(content)
        if total > most:
            limit = f"half of this machine's memory, {most / 2**30:.1f} GB"
            raise ValueError(f"{source}: its .txt files, decompressed, have more bytes than {limit}: none is used")
    return found


def _folder(source: Path) -> Iterator[Member]:
    if not source.is_dir():
        raise FileNotFoundError(f"no predictions at {source}: expected a folder, a .tar.gz or a .zip")
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            size = path.stat().st_size if path.exists() else 0
            yield Member(path.relative_to(source).as_posix(), size, partial(_regular, path))


def _regular(path: Path) -> bytes:
    try:
        return read_file(path, MOST_BYTES)
    except NotAFileError as error:
        raise ValueError(f"{path}: expected the predictions of one image, found {error}") from None


def _archive(source: Path) -> Iterator[Member]:
    kind = _kind(source)
    with _named(source, kind):
        for member in (_zip if kind in _ZIPS else _tar)(source):
            yield replace(member, read=partial(_read_named, source, kind, member.read))


def _read_named(source: Path, kind: str, read: Callable[[], bytes]) -> bytes:
    with _named(source, kind):
        return read()


@contextmanager
def _named(source: Path, kind: str) -> Iterator[None]:
    """Turns the errors of an archive into one line that names it."""
    try:
        yield
    except TooLargeError as error:
        raise ValueError(f"{source}: expected the predictions of one image per .txt, found {error}") from None
    except Exception as error:  # tarfile, zipfile, gzip, bz2 and lzma have their own kinds for bytes that are damaged
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        found = f"{kind}, perhaps cut off ({reason})" if kind in (*_TARS, *_ZIPS) else kind
        expected = "a folder or a whole .tar.gz or .zip of <event>/<name>.txt"
        form = "zip" if kind in _ZIPS else "tar"
        raise ValueError(f"{source} cannot be read as a {form} archive: expected {expected}, found {found}") from error


def _tar(source: Path) -> Iterator[Member]:
    with closing(BoundedReader(source, MOST_BYTES)) as file, _opened(file) as archive:
        for item in archive:
            if item.isfile():
                _require_small(item.name, item.size)
                yield Member(item.name.removeprefix("./"), item.size, partial(_read, archive, item))


def _opened(file: BoundedReader) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("IO[bytes]", file), mode="r:")  # it uses no other methods


def _require_small(name: str, size: int) -> None:
    """Before a byte is unpacked: 2 MB of an archive may hold gigabytes of zeros."""
    if name.lower().endswith(".txt") and size > MOST_BYTES:
        raise TooLargeError(f"{name} of {size:,} bytes, and none above {MOST_BYTES:,} is read")


def _read(archive: tarfile.TarFile, item: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(item)
    return content.read() if content else b""


def _zip(source: Path) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for item in archive.infolist():
            if not item.is_dir():
                _require_small(item.filename, item.file_size)
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
