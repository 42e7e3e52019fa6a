"""Images of a folder: listing them with their versions, and reading one into a `Sample`."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.data.datasets.dataset import Log, no_log, set_option
from pipeline.data.datasets.entries import Entry
from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.file_path import FilePath, file_path
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.images import ImageError, check_complete, read_header
from pipeline.data.object_path import ObjectPath
from pipeline.data.records import Sample
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.object_reader import UnreachableError

SHOWN: Final = 20  # names of one line
Wanted = Callable[[str], bool]
Skipped = defaultdict[str, list[str]]  # reason -> paths


def skipped_line(skipped: Mapping[str, Sequence[str]]) -> str:
    """Returns one line with the number of skipped files, and per reason its number and names; "" without any.

    ``skipped`` has the paths that `scan` left out, by reason.
    """
    parts = [f"{len(paths)} {reason}: {shortened(sorted(paths))}" for reason, paths in sorted(skipped.items())]
    return f"skipped {sum(map(len, skipped.values()))} files and folders; {'; '.join(parts)}" if parts else ""


def shortened(names: Sequence[str], most: int = SHOWN) -> str:
    """Returns names in one line, the first ones and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names[:most]) + more


def scan(
    root: FilePath, folder: str = "", wanted: Wanted = lambda directory: True, skipped: Skipped | None = None
) -> Iterator[tuple[str, str]]:
    """Yields (path relative to ``root`` with forward slashes, version) of every file below ``root/folder``.

    The version is "size:mtime_ns", of an object "size:etag". Hidden files and folders are left out, and links to a
    folder around them; no file is opened. Order is the file system's.

    Args:
        root: dataset folder.
        folder: where below it to start, forward slashes.
        wanted: directory's path relative to ``root`` -> whether to search it.
        skipped: receives the files that are left out, by why.

    Raises FileNotFoundError: ``root/folder`` does not exist, or there is no object below it; UnreachableError.
    """
    left_out = Skipped(list) if skipped is None else skipped
    if isinstance(root, ObjectPath):
        yield from _objects(root / folder, f"{folder}/" if folder else "", wanted, left_out)
        return
    start = os.path.join(root, folder)
    yield from _below(start, f"{folder}/" if folder else "", wanted, left_out, frozenset({_inode(start)}))


def _objects(folder: ObjectPath, prefix: str, wanted: Wanted, skipped: Skipped) -> Iterator[tuple[str, str]]:
    """Yields what `scan` does of objects: of one listing, whatever part of it is wanted."""
    searched: dict[str, bool] = {"": True}

    def allowed(directory: str) -> bool:
        if directory not in searched:
            outer = directory.rpartition("/")[0]
            searched[directory] = allowed(outer) and wanted(f"{prefix}{directory}")
        return searched[directory]

    empty = True
    for name, facts in folder.below():
        empty = False
        if name.startswith(".") or "/." in name:
            skipped["hidden"].append(f"{prefix}{name}")
        elif allowed(name.rpartition("/")[0]):
            yield f"{prefix}{name}", facts.version
    if empty:
        raise FileNotFoundError(f"no object below {folder}")


def _below(
    directory: str, prefix: str, wanted: Wanted, skipped: Skipped, above: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, str]]:
    """Yields the files of `scan` in one folder; `above` has the inodes of it and of the folders around it."""
    with os.scandir(directory) as items:
        for item in items:
            path = f"{prefix}{item.name}"
            kind = "hidden" if item.name.startswith(".") else _kind(item, above)
            if kind == "folder":
                if wanted(path):
                    yield from _below(item.path, f"{path}/", wanted, skipped, above | {_inode(item.path)})
            elif kind == "file":
                yield path, _version(item)
            else:
                skipped[kind].append(path)


def _kind(item: os.DirEntry[str], above: frozenset[tuple[int, int]]) -> str:
    """Returns "folder", "file", or why it is neither; an unknown kind is a file that cannot be read."""
    try:
        if item.is_file():
            return "file"
        if not item.is_dir():
            if not os.path.exists(item.path):
                return "that link to nothing"
            # A FIFO or a device: what its name claims to be an image has a row, with the error.
            return "file" if claims_to_be_image(item.name) else "that are no files"
        if _inode(item.path) in above:
            return "that link to a folder around them"
        return "folder" if os.access(item.path, os.R_OK | os.X_OK) else "that may not be read"
    except OSError:  # a link that leads to itself
        return "file"


def _version(item: os.DirEntry[str]) -> str:
    try:
        return file_version(item.stat())
    except OSError as error:  # one row with an error, as for any other file that cannot be read
        return f"unreadable:{error.errno}"


def _inode(folder: str) -> tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino


def file_version(stat: os.stat_result) -> str:
    """Returns "size:mtime_ns", which changes whenever a file is written again."""
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def version_of(path: FilePath) -> str:
    """Returns the version that `scan` gives a file. Raises OSError: there is none."""
    return path.facts.version if isinstance(path, ObjectPath) else file_version(path.stat())


def size_in(version: str) -> int:
    """Returns the size in bytes that a version of `scan` begins with; 0 of one without."""
    size = version.partition(":")[0]
    return int(size) if size.isdecimal() else 0


def hash_labels(*parts: bytes) -> str:
    """Returns a BLAKE2b-64 (16 hexadecimal digits) of label bytes, for the last part of an entry's version."""
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def hash_files(source: Path, endings: Collection[str], listed: Callable[[str], bool] = lambda name: False) -> str:
    """Returns a BLAKE2b-128 (32 hexadecimal digits) of the name and bytes of a file, or of all such files of a folder.

    Args:
        source: file, whatever its name, or a folder that is searched at any depth.
        endings: in lower case, with the point, of the files in a folder that count.
        listed: name -> whether another file of a folder counts by its name alone.
    """
    files, names = [source], list[Path]()
    if source.is_dir():
        below = sorted(source.rglob("*"))
        files = [file for file in below if file.suffix.lower() in endings and file.is_file()]
        names = [file for file in below if file.suffix.lower() not in endings and listed(file.name)]
    found = hashlib.blake2b(digest_size=16)
    for file in files:
        content = hashlib.blake2b(file.read_bytes()).digest()
        found.update(os.fsencode(file.relative_to(source)) + b"\0" + content)
    for file in names:
        found.update(os.fsencode(file.relative_to(source)) + b"\0")
    return found.hexdigest()


def present_images(
    listed: Sequence[str], item_versions: Mapping[str, str], annotation: FilePath, missing: str, log: Log = no_log
) -> Iterator[tuple[int, str, str]]:
    """Yields (position, path, file version) of the listed images that exist.

    Args:
        listed: paths that an annotation names.
        item_versions: path -> version of each file on disk.
        annotation: named in the message.
        missing: "error" refuses an incomplete folder, "skip" leaves the absent images out.
        log: takes a line on images that are left out.

    Raises FileNotFoundError: images are missing and ``missing`` is "error", or all are.
    """
    absent = [path for path in listed if path not in item_versions]
    if absent and (missing == "error" or len(absent) == len(listed)):
        some = len(absent) < len(listed)
        advice = f"; {set_option('missing', 'skip')} uses only those that are there" if some else ""
        raise FileNotFoundError(
            f"{len(absent)} of {len(listed)} images named by {annotation} are missing: {shortened(absent, 3)}{advice}"
        )
    if absent:
        log(f"left out {len(absent)} of {len(listed)} images named by {annotation}, not there: {shortened(absent, 3)}")
    for position, path in enumerate(listed):
        if (version := item_versions.get(path)) is not None:
            yield position, path, version


def read_sample(root: str, entry: Entry) -> Sample:
    """Returns the sample of one image file, still without faces; the bytes are read once for size and content hash.

    Raises UnreachableError: a store does not answer, which is no defect of the image.
    """
    content_hash, (width, height), error = "", (0, 0), None
    try:
        data = read_file(file_path(root) / entry.path)
        content_hash = hash_bytes(data)
        size = read_header(data)
        check_complete(data)
        width, height = size
    except UnreachableError:
        raise
    except OSError as problem:
        error = f"cannot read the file: {problem.strerror}"
    except (ImageError, NotAFileError) as problem:
        error = str(problem)
    return Sample(entry.image_id, entry.path, content_hash, width, height, error=error)
