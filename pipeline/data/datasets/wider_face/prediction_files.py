"""The files of a WIDER submission, from a folder or a tar archive, at any depth."""

import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.opened_size import BoundedReader, TooLargeError
from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.engine.machine_memory import memory_limit

MOST_BYTES: Final = 64 * 2**20
"""Of one file: a million boxes of one image."""

_ARCHIVES = ("a gzip file", "a bzip2 file", "an xz file", "a tar archive")


def text_files(source: Path, others: list[str]) -> dict[str, bytes]:
    """Returns "<event>/<name>" -> content of every .txt of a folder, .tar.gz, .tgz or .tar, at any depth.

    ``others`` receives the names of some other files, for messages. Raises FileNotFoundError: the source does not
    exist; ValueError: two files claim to be the same image's, the archive cannot be read, one file is larger than
    `MOST_BYTES`, or all together, decompressed, than half of the memory.
    """
    found, total, most = dict[str, bytes](), 0, memory_limit() // 2
    for key, content in _keyed(source, (_archive if source.is_file() else _folder)(source, others)):
        found[key] = content
        total += len(content)
        if total > most:
            limit = f"half of this machine's memory, {most / 2**30:.1f} GB"
            raise ValueError(f"{source}: its .txt files, decompressed, have more bytes than {limit}: none is used")
    return found


def _folder(source: Path, others: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields (path, content) of every .txt, and adds some other names to ``others``."""
    if not source.is_dir():
        raise FileNotFoundError(f"no predictions at {source}: expected a folder or a .tar.gz")
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith(".txt"):
                path = os.path.join(folder, name)
                try:
                    yield os.path.relpath(path, source), read_file(path, MOST_BYTES)
                except NotAFileError as error:
                    raise ValueError(f"{path}: expected the predictions of one image, found {error}") from None
            elif _worth_naming(name, others):
                others.append(os.path.relpath(os.path.join(folder, name), source))


def _archive(source: Path, others: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields like `_folder`, out of a tar archive."""
    with open(source, "rb") as file:
        kind = file_kind(file.read(HEAD))
    try:
        with closing(BoundedReader(source, MOST_BYTES)) as opened, _in_archive(opened) as archive:
            for member in archive:
                if not member.isfile():
                    continue
                if member.name.endswith(".txt") and member.size > MOST_BYTES:
                    raise TooLargeError(
                        f"{member.name} of {member.size:,} bytes, and none above {MOST_BYTES:,} is read"
                    )
                if member.name.endswith(".txt") and (content := archive.extractfile(member)):
                    yield member.name, content.read()
                elif _worth_naming(member.name, others):
                    others.append(member.name)
    except TooLargeError as error:
        raise ValueError(f"{source}: expected the predictions of one image per .txt, found {error}") from None
    except Exception as error:  # tarfile, gzip, bz2 and lzma have their own kinds for bytes that are damaged
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        found = f"{kind}, perhaps cut off ({reason})" if kind in _ARCHIVES else kind
        expected = "a folder or a whole .tar.gz of <event>/<name>.txt"
        raise ValueError(f"{source} cannot be read as a tar archive: expected {expected}, found {found}") from error


def _in_archive(file: BoundedReader) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("IO[bytes]", file), mode="r:")  # it uses no other methods


def _worth_naming(name: str, others: Sequence[str]) -> bool:
    """Returns whether to name a file that is no .txt: every .TXT, and the first few others."""
    return name.lower().endswith(".txt") or len(others) < 3


def _keyed(source: Path, files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yields ("<event>/<name>", content), the key being the last two parts of each path."""
    seen: dict[str, str] = {}
    for path, content in files:
        key = "/".join(PurePosixPath(path.replace(os.sep, "/")).parts[-2:]).removesuffix(".txt")
        if key in seen:
            raise ValueError(f"{source}: {seen[key]} and {path} are both files of {key}")
        seen[key] = path
        yield key, content
