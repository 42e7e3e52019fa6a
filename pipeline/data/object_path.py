"""A path in an object store with the reading methods of `pathlib.Path`, so that a dataset's code needs no second way.

Questions about folders are answered by listings, each fetched once for all paths that come from one root.
"""

from __future__ import annotations

import fnmatch
import io
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from pipeline.engine.object_reader import ObjectFacts, ObjectReader, reader_of

MOST_LABEL_BYTES: Final = 2**31 - 1
_Inside = tuple[dict[str, ObjectFacts], list[str]]


@dataclass(frozen=True)
class _Bucket:
    """A bucket, and what is known of its folders."""

    address: str  # with keys and options, without a path
    url: str = field(compare=False)  # without them
    folders: dict[str, _Inside] = field(default_factory=dict, compare=False, repr=False)

    @property
    def reader(self) -> ObjectReader:
        return reader_of(self.address)

    def inside(self, folder: str) -> _Inside:
        if folder not in self.folders:
            self.folders[folder] = self.reader.inside(folder)
        return self.folders[folder]


class ObjectPath:
    """An object, or a folder of objects, that is only read. Raises `UnreachableError` wherever the store is asked."""

    __slots__ = ("_bucket", "_inner")

    def __init__(self, bucket: _Bucket, inner: PurePosixPath) -> None:
        """Takes the bucket and the name in it; `ObjectPath.of` takes a text."""
        self._bucket, self._inner = bucket, inner

    @classmethod
    def of(cls, address: str) -> ObjectPath:
        """Returns the path of ``s3://bucket/prefix``, ``gs://`` or ``az://``, with keys and options of the store.

        Raises ValueError: another scheme, or options that are not known.
        """
        url = urlsplit(address)
        bucket = url._replace(path="").geturl()
        return cls(_Bucket(bucket, reader_of(bucket).url), PurePosixPath(unquote(url.path).strip("/")))

    @property
    def address(self) -> str:
        """The text that `of` takes, with the keys that are in it: never to be shown."""
        return urlsplit(self._bucket.address)._replace(path=f"/{self._name.replace('%', '%25')}").geturl()

    @property
    def name(self) -> str:
        """The last part."""
        return self._inner.name

    @property
    def suffix(self) -> str:
        """The ending with its point."""
        return self._inner.suffix

    @property
    def stem(self) -> str:
        """The last part without the ending."""
        return self._inner.stem

    @property
    def parent(self) -> ObjectPath:
        """The folder around it."""
        return self._at(self._inner.parent)

    @property
    def facts(self) -> ObjectFacts:
        """Size and version of the object. Raises FileNotFoundError, PermissionError."""
        known = self._bucket.folders.get(_text(self._inner.parent))
        return (known and known[0].get(self.name)) or self._bucket.reader.facts(self._name)

    def __truediv__(self, other: str | PurePosixPath) -> ObjectPath:
        """Returns a path below this one, or beside it where ``other`` has ``..``."""
        return self._at(PurePosixPath(posixpath.normpath(self._inner / other)))

    def __str__(self) -> str:
        """Returns the URL, without keys and options, for people."""
        return f"{self._bucket.url}/{self._name}".rstrip("/")

    def __repr__(self) -> str:
        """Returns it without keys."""
        return f"ObjectPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Whether it is the same name in the same bucket, by the same keys."""
        return isinstance(other, ObjectPath) and (self._bucket, self._inner) == (other._bucket, other._inner)

    def __hash__(self) -> int:
        """Of what is compared."""
        return hash((self._bucket, self._inner))

    def __lt__(self, other: ObjectPath) -> bool:
        """Sorts by name."""
        return str(self) < str(other)

    def relative_to(self, other: ObjectPath) -> PurePosixPath:
        """Returns this path as seen from a folder around it. Raises ValueError: it is not in there."""
        return self._inner.relative_to(other._inner)

    def common(self, other: ObjectPath) -> ObjectPath:
        """Returns the closest folder that holds both. Raises ValueError: they are of different buckets."""
        if self._bucket != other._bucket:
            raise ValueError(f"expected both in one store, found {self} and {other}")
        found = self if self._inner == other._inner or self.is_dir() else self.parent
        while not other._inner.is_relative_to(found._inner):
            found = found.parent
        return found

    def with_name(self, name: str) -> ObjectPath:
        """Returns the path beside this one with another last part."""
        return self._at(self._inner.with_name(name))

    def with_suffix(self, suffix: str) -> ObjectPath:
        """Returns the path with another ending."""
        return self._at(self._inner.with_suffix(suffix))

    def absolute(self) -> ObjectPath:
        """Returns itself, as every object's path is absolute."""
        return self

    expanduser = resolve = absolute

    def is_file(self) -> bool:
        """Returns whether there is an object of this name."""
        if (known := self._bucket.folders.get(_text(self._inner.parent))) is not None:
            return self.name in known[0]
        try:
            return bool(self._name) and self._bucket.reader.facts(self._name) is not None
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Returns whether there is an object below it."""
        if (known := self._bucket.folders.get(_text(self._inner.parent))) is not None and self._name:
            return self.name in known[1]
        return self._bucket.reader.holds(self._name)

    def exists(self) -> bool:
        """Returns whether it is a file or a folder."""
        return self.is_dir() or self.is_file()

    def iterdir(self) -> Iterator[ObjectPath]:
        """Yields the files and folders right inside, by name."""
        files, folders = self._bucket.inside(self._name)
        yield from (self / name for name in sorted({*files, *folders}))

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yields the paths below that match a pattern such as ``*.xml``, ``labels/*/*.txt`` or ``**/*.xml``."""
        first, _, rest = pattern.partition("/")
        if first == "**":
            yield from (self / name for name, _ in self.below() if fnmatch.fnmatchcase(name.rpartition("/")[2], rest))
            return
        if not set("*?[") & set(first):
            each = self / first
            yield from each.glob(rest) if rest else [each] * each.exists()
            return
        for each in self.iterdir():
            if fnmatch.fnmatchcase(each.name, first):
                if not rest:
                    yield each
                elif each.is_dir():
                    yield from each.glob(rest)

    def below(self) -> Iterator[tuple[str, ObjectFacts]]:
        """Yields (name relative to this folder, facts) of every object below it."""
        return self._bucket.reader.below(self._name)

    def read_bytes(self, most: int = MOST_LABEL_BYTES) -> bytes:
        """Returns the object's bytes, with one request.

        Raises FileNotFoundError, PermissionError; ObjectTooLargeError: there are more than ``most``, and none was read.
        """
        return self._bucket.reader.read(self._name, most)

    def read_beginning(self, count: int) -> bytes:
        """Returns the first bytes of the object, ``count`` at most; raises as `read_bytes`."""
        if not self.facts.size:
            return b""  # a part of nothing cannot be asked for
        return self._bucket.reader.beginning(self._name, count)

    def read_text(self, encoding: str) -> str:
        """Returns the object's text, with line ends as `Path.read_text` has them; raises as `read_bytes`."""
        with self.open(encoding=encoding) as stream:
            text: str = stream.read()
            return text

    def open(self, mode: str = "r", *, encoding: str = "utf-8", newline: str | None = None) -> IO[Any]:
        """Returns the object as an open file, read whole; raises as `read_bytes`."""
        data = io.BytesIO(self.read_bytes())
        return data if mode == "rb" else io.TextIOWrapper(data, encoding, newline=newline)

    @property
    def _name(self) -> str:
        return _text(self._inner)

    def _at(self, inner: PurePosixPath) -> ObjectPath:
        return ObjectPath(self._bucket, inner)


def _text(path: PurePosixPath) -> str:
    return "" if str(path) == "." else str(path)
