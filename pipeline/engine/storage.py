"""Files of one store, on local disk, S3, Google Storage or Azure: what is written is whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.engine.local_files import create_whole, write_whole
from pipeline.engine.redaction import advice, redact, without_keys
from pipeline.engine.worker_group import prefetch

if TYPE_CHECKING:
    from pipeline.engine.object_store import Objects

READS_AT_ONCE: Final = 64  # of an object store: at 20 ms each, 3,000 small files a second

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_remote(url: str) -> bool:
    """Returns whether `url` names an object store rather than a folder."""
    return url.startswith(("s3://", "gs://", "gcs://", "az://"))


@dataclass(frozen=True)
class Store:
    """A folder of files. Picklable: a worker opens its own connection.

    Attributes:
        url: local path, or ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``, with
            `object_access.OPTIONS` after ``?``. Keys and passwords in it are used and then removed from the attribute.
    """

    url: str
    _address: str = field(init=False, repr=False)  # the URL with its keys

    def __post_init__(self) -> None:
        """Makes a local path absolute, so that workers elsewhere mean the same folder.

        Raises ValueError if the URL has another scheme; as a path it would be a folder of that name.
        """
        given = self.url
        if not is_remote(given):
            if _SCHEME.match(given):
                raise ValueError(f"store: expected a folder, s3://, gs:// or az://, found {redact(given)}")
            given = str(Path(os.path.expandvars(given)).expanduser().absolute())
        object.__setattr__(self, "_address", given)
        object.__setattr__(self, "url", without_keys(given) if is_remote(given) else given)

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the open connection behind."""
        return {"url": self.url, "_address": self._address}

    @property
    def local(self) -> bool:
        """Whether this store is a folder on this machine's disks."""
        return not is_remote(self.url)

    @cached_property
    def _opened(self) -> tuple[pafs.FileSystem, str]:
        if not is_remote(self.url):
            return pafs.LocalFileSystem(), self.url
        from pipeline.engine.object_access import file_system

        with self._named():
            return file_system(self._address)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Raises what goes wrong while the store is opened as a ValueError that names it, without keys."""
        try:
            yield
        except (ValueError, OSError) as error:  # pyarrow's message repeats the URL as it was given
            known = advice(self._address)
            problem = f"store: cannot open {self.url}: {redact(str(error))}{f' ({known})' if known else ''}"
            raise ValueError(problem) from None

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The pyarrow file system that `path` is valid in."""
        return self._opened[0]

    def path(self, name: str = "") -> str:
        """Returns the full path of `name` within `filesystem`."""
        base = self._opened[1]
        return f"{base}/{name}" if name else base

    @cached_property
    def _objects(self) -> Objects | None:
        """The objects of a store that is no folder."""
        if not is_remote(self.url):
            return None
        # pyarrow also checks the URL of S3, and asks for the region where nothing says it.
        region = getattr(self.filesystem, "region", None) if self.url.startswith("s3://") else None
        from pipeline.engine.object_store import Objects  # 40 ms that other stores need not wait

        with self._named():
            return Objects(self._address, region)

    def read(self, name: str) -> bytes:
        """Returns a file's bytes. Raises FileNotFoundError."""
        if self._objects:
            if (data := self._objects.read(name)) is None:
                raise FileNotFoundError(errno.ENOENT, "no such object", f"{self.url}/{name}")
            return bytes(data)
        with self.filesystem.open_input_file(self.path(name)) as file:
            return bytes(file.read())

    def read_buffer(self, name: str) -> pa.Buffer | None:
        """Returns a file's bytes in memory of Arrow's own, or None where there is no such file.

        Its threads may drop them last: a Python object they could not, once the interpreter ends, and would abort.
        """
        if self._objects:
            data = self._objects.read(name)
            return None if data is None else _copied(data)
        try:
            with self.filesystem.open_input_file(self.path(name)) as file:
                return file.read_buffer()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_or_none(self, name: str) -> bytes | None:
        """Returns a file's bytes, or None where there is no such file."""
        try:
            return self.read(name)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yields the bytes of each file in order, None where there is no such file; some are read ahead in threads."""
        if self.local:  # a small file takes less than handing it to a thread
            yield from map(self.read_or_none, names)
            return
        with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="read") as threads:
            yield from prefetch(threads, self.read_or_none, names, 2 * READS_AT_ONCE)

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Writes a file so that a reader finds all of it or none, also after a crash at any moment.

        Local: see `write_whole`. Object stores show an object only once it is there.
        """
        if self._objects:
            self._objects.write(name, data)
        else:
            write_whole(self.path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """Writes a file only if there is none; returns whether this call made it.

        Exact on object stores, on disks, and on every mount that can make a file only if it is absent. On others two
        callers within the same second may both get True, and the caller must cope.
        """
        if self._objects:
            return self._objects.create(name, data)
        if (created := create_whole(self.path(name), data)) is not None:
            return created
        if self.read_or_none(name) is not None:
            return False
        self.write(name, data)
        return self.read_or_none(name) == data

    def swap(self, name: str, old: bytes, new: bytes) -> bool:
        """Writes a file only if it holds ``old``; returns whether this call did.

        Exact on object stores, see `Objects.swap`. On a disk a caller that reads and writes between the two steps of
        this one is not noticed: both get True, the last one's content stays, and the caller must cope.
        """
        if self._objects:
            return self._objects.swap(name, old, new)
        if self.read_or_none(name) != old:
            return False
        self.write(name, new)
        return True

    def sizes(self, folder: str) -> dict[str, int]:
        """Returns file name -> bytes for the files right inside `folder`; empty if there is no such folder."""
        if self._objects:
            return self._objects.inside(folder)[0]
        return {info.base_name: info.size for info in self._list(folder) if info.type == pafs.FileType.File}

    def named(self, folder: str, start: str) -> list[str]:
        """Returns the sorted names of the files in `folder` that begin with `start`."""
        if self._objects:
            return self._objects.named(folder, start)
        return sorted(name for name in self.sizes(folder) if name.startswith(start))

    def folders(self, folder: str = "") -> list[str]:
        """Returns the sorted names of the folders right inside `folder`."""
        if self._objects:
            return self._objects.inside(folder)[1]
        return sorted(info.base_name for info in self._list(folder) if info.type == pafs.FileType.Directory)

    def below(self, folder: str) -> dict[str, int]:
        """Returns name relative to `folder` -> bytes of every file below it, however deep; one listing."""
        if self._objects:
            return self._objects.below(folder)
        base = f"{self.path(folder)}/"
        files = (info for info in self._list(folder, True) if info.type == pafs.FileType.File)
        return {info.path.removeprefix(base): info.size for info in files}

    def weight(self, name: str) -> int:
        """Returns the bytes of a file, or of all files below a folder; 0 where there is neither."""
        folder, _, file = name.rpartition("/")
        return sum(self.below(name).values()) or self.sizes(folder).get(file, 0)

    def delete(self, *names: str) -> None:
        """Deletes files, on S3 with one request; nothing happens where there is none."""
        if self._objects:
            self._objects.delete(names)
            return
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self.filesystem.delete_file(self.path(name))

    def delete_folder(self, folder: str) -> None:
        """Deletes a folder with all it holds; nothing happens where there is none."""
        if self._objects:
            # With the empty objects that other programs make for folders.
            self._objects.delete([f"{folder}/{name}".rstrip("/") for name in self._objects.below(folder)])
            return
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_dir(self.path(folder))

    def remove(self, name: str) -> None:
        """Deletes a file, or a folder with all it holds; nothing happens where there is neither."""
        if self._objects:
            self.delete_folder(name)
            self.delete(name)
            return
        is_folder = self.filesystem.get_file_info([self.path(name)])[0].type == pafs.FileType.Directory
        (self.delete_folder if is_folder else self.delete)(name)

    def _list(self, folder: str, recursive: bool = False) -> Iterable[pafs.FileInfo]:
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True, recursive=recursive)
        infos: Iterable[pafs.FileInfo] = self.filesystem.get_file_info(selector)
        return infos


def _copied(data: memoryview) -> pa.Buffer:
    """Returns the bytes in memory of Arrow's own."""
    sink = pa.BufferOutputStream()
    sink.write(data)
    return sink.getvalue()
