"""The files of a WIDER submission, from a folder or a tar archive, at any depth."""

import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from pipeline.engine.file_kind import HEAD, file_kind

LARGEST: Final = 64 * 2**20
"""Bytes of one file of an archive: the boxes of one image are a thousandth of it."""
LARGEST_SUM: Final = 4 * 2**30
"""Bytes of all of them: 5,000 boxes in each of the 16,097 images of the test split are less."""
_ARCHIVES = ("a gzip file", "a bzip2 file", "an xz file", "a tar archive")


def text_files(source: Path, others: list[str]) -> dict[str, bytes]:
    """Returns "<event>/<name>" -> content of every .txt of a folder, .tar.gz, .tgz or .tar, at any depth.

    ``others`` receives the names of some other files, for messages. Raises FileNotFoundError: the source does not
    exist; ValueError: two files claim to be the same image's, or the archive cannot be read, or its files are larger
    than `LARGEST`, together than `LARGEST_SUM`.
    """
    return dict(_keyed(source, (_archive if source.is_file() else _folder)(source, others)))


def _folder(source: Path, others: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields (path, content) of every .txt, and adds some other names to ``others``."""
    if not source.is_dir():
        raise FileNotFoundError(f"no predictions at {source}: expected a folder or a .tar.gz")
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith(".txt"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    yield os.path.relpath(path, source), file.read()
            elif _worth_naming(name, others):
                others.append(os.path.relpath(os.path.join(folder, name), source))


def _archive(source: Path, others: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields like `_folder`, out of a tar archive."""
    with open(source, "rb") as file:
        kind = file_kind(file.read(HEAD))
    try:
        with tarfile.open(source) as archive:
            total = 0
            for member in archive:
                if not member.isfile():
                    continue
                if not member.name.endswith(".txt"):
                    if _worth_naming(member.name, others):
                        others.append(member.name)
                    continue
                total += member.size
                # Before a byte is unpacked: 2 MB of an archive may hold gigabytes of zeros.
                if member.size > LARGEST or total > LARGEST_SUM:
                    raise _TooLargeError(f"{source}: {_too_large(member, total)}")
                if content := archive.extractfile(member):
                    yield member.name, content.read()
    except _TooLargeError:
        raise
    except Exception as error:  # tarfile, gzip, bz2 and lzma have their own kinds for bytes that are damaged
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        found = f"{kind}, perhaps cut off ({reason})" if kind in _ARCHIVES else kind
        expected = "a folder or a whole .tar.gz of <event>/<name>.txt"
        raise ValueError(f"{source} cannot be read as a tar archive: expected {expected}, found {found}") from error


class _TooLargeError(ValueError):
    """An archive that is no set of predictions, whatever is in it."""


def _too_large(member: tarfile.TarInfo, total: int) -> str:
    if member.size > LARGEST:
        return f"{member.name}: expected at most {LARGEST:,} bytes of one image, found {member.size:,}"
    return f"expected files of at most {LARGEST_SUM:,} bytes together, found {total:,} up to {member.name}"


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
