"""Objects that others keep on S3, Google Storage or Azure, read through obstore: listed with versions, never written.

obstore repeats a request that failed for the network's sake or by an answer of 5xx, ten times within three minutes, and
goes on where a body was cut off. What is still an error after that is trouble of the store, `UnreachableError`, and no
defect of an object.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pipeline.engine.object_access import open_objects
from pipeline.engine.redaction import redact

if TYPE_CHECKING:
    from obstore.store import RetryConfig

RETRIES = 10  # of a request, within `_RETRY_TIME`
_RETRY_TIME: Final = timedelta(minutes=3)  # credentials are not renewed meanwhile
_AT_ONCE: Final = 1000  # names of one request
_LISTINGS: Final = 32  # of folders at the same time
_QUIET: Final = "30s"  # without a byte, after which a request is repeated
_OWN: Final = ("AccessDenied", "AllAccessDisabled", "InvalidObjectState")  # may be of one object; the last: archived
_NO_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound")
_ENVIRONMENT: Final = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<\n]+)")
_LONGEST: Final = 300  # of a message
_KEYS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


class UnreachableError(OSError):
    """The store does not answer, refuses the keys or has no such bucket; the message is one line, without keys."""


class ObjectTooLargeError(ValueError):
    """An object of more bytes than are to be read: nothing of it was."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a listing says of an object.

    Attributes:
        size: in bytes.
        version: ``size:etag``, which changes whenever other bytes are written; the time of writing where a store has no
            ETags.
    """

    size: int
    version: str


class ObjectReader:
    """The objects of one bucket or container, by their whole names."""

    def __init__(self, address: str) -> None:
        """Connects to nothing yet.

        Args:
            address: ``s3://bucket``, ``gs://bucket`` or ``az://container``, as `open_objects` takes it.

        Raises ValueError: as `open_objects`.
        """
        url = urlsplit(address)
        self._scheme = url.scheme.replace("gcs", "gs")
        self.url = f"{url.scheme}://{url.hostname}"
        self._exists = False  # as far as is known
        region = _region(address) if self._scheme == "s3" else None
        self._store: Any = open_objects(address, region, _retry(), read_timeout=_QUIET)

    def read(self, name: str, most: int) -> bytes:
        """Returns an object's bytes, with one request.

        Raises FileNotFoundError: there is none; PermissionError: this one may not be read; ObjectTooLargeError: it has
        more than ``most`` bytes; UnreachableError.
        """
        with self._errors(name):
            found = self._store.get(name)
            if (size := found.meta["size"]) > most:
                raise ObjectTooLargeError(f"an object of {size} bytes, and none of more than {most} is read")
            return bytes(found.bytes())

    def beginning(self, name: str, count: int) -> bytes:
        """Returns the first bytes of an object that is not empty, ``count`` at most; raises as `read`."""
        with self._errors(name):
            return bytes(self._store.get_range(name, start=0, length=count))

    def facts(self, name: str) -> ObjectFacts:
        """Returns size and version of an object; raises as `read`."""
        try:
            with self._errors(name):
                return _facts(self._store.head(name))
        except FileNotFoundError:
            if not self._exists:
                self.holds(name)  # this answer has no reason, that of a listing has: perhaps there is no such bucket
                self._exists = True
            raise

    def below(self, folder: str) -> Iterator[tuple[str, ObjectFacts]]:
        """Yields (name relative to ``folder``, facts) of every object below it, however deep; "" is the bucket.

        Where the folder has a few dozen folders, these are listed at the same time: a request gives a thousand names.
        Empty objects that other programs make for folders are left out. Raises UnreachableError.
        """
        files, folders = self.inside(folder)
        if len(folders) > _LISTINGS:
            yield from self._listed(folder)
            return
        yield from files.items()
        start = f"{folder}/" if folder else ""
        with ThreadPoolExecutor(_LISTINGS, thread_name_prefix="list") as threads:
            parts = threads.map(self._listed, [f"{start}{each}" for each in folders])
            for inside, part in zip(folders, parts, strict=True):
                yield from ((f"{inside}/{name}", facts) for name, facts in part)

    def inside(self, folder: str) -> tuple[dict[str, ObjectFacts], list[str]]:
        """Returns name -> facts of the objects right inside a folder, and the names of the folders there.

        Raises UnreachableError.
        """
        found = self._list(lambda: self._store.list_with_delimiter(folder or None))
        folders = [path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]]
        objects = {each["path"]: _facts(each) for each in found["objects"] if each["path"] != folder}
        files = {path.rpartition("/")[2]: facts for path, facts in objects.items()}
        return {name: facts for name, facts in files.items() if facts.size or name not in folders}, folders

    def holds(self, folder: str) -> bool:
        """Returns whether there is any object below a folder, by one request. Raises UnreachableError."""
        first = self._list(lambda: next(iter(self._store.list(folder or None, chunk_size=_AT_ONCE)), ()))
        return any(each["path"] != folder for each in first)

    def _listed(self, folder: str) -> list[tuple[str, ObjectFacts]]:
        start = f"{folder}/" if folder else ""

        def ask() -> list[tuple[str, ObjectFacts]]:
            parts = self._store.list(folder or None, chunk_size=_AT_ONCE)
            return [(each["path"], _facts(each)) for part in parts for each in part if each["path"] != folder]

        found: list[tuple[str, ObjectFacts]] = self._list(ask)
        # A folder's own object is right before what is in it.
        empty = {path for (path, each), (after, _) in pairwise(found) if not each.size and after.startswith(f"{path}/")}
        return [(path.removeprefix(start), facts) for path, facts in found if path not in empty]

    def _list(self, ask: Callable[[], Any]) -> Any:
        """Returns a listing; obstore does not go on where the answer to one was cut off, so it is asked for again."""
        from obstore.exceptions import GenericError

        with self._errors():
            for _ in range(RETRIES):
                try:
                    return ask()
                except GenericError as error:
                    if "response body" not in str(error):
                        raise
            return ask()

    @contextmanager
    def _errors(self, name: str | None = None) -> Iterator[None]:
        """Raises errors of the store as those of a disk, or as UnreachableError; ``name`` is that of one object."""
        from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError

        place = self.url if name is None else f"{self.url}/{name}"
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as error:
            if isinstance(error, ObjectTooLargeError):
                raise
            text = str(error)
            if isinstance(error, ValueError | InvalidPathError):
                raise ValueError(f"{place}: expected names without empty parts: {text.partition(chr(10))[0]}") from None
            code = found[1] if (found := _CODE.search(text)) else ""
            if code in _NO_BUCKET or (name is None and isinstance(error, FileNotFoundError)):
                raise UnreachableError(f"{self.url}: no such bucket") from None
            if isinstance(error, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, "no such object", place) from None
            if name is not None and isinstance(error, PermissionDeniedError) and code in ("", *_OWN):
                raise PermissionError(errno.EACCES, f"the store refuses to give it ({code or 403})", place) from None
            raise UnreachableError(f"{place}: {self._trouble(text, code)}") from None

    def _trouble(self, text: str, code: str) -> str:
        """Returns the trouble of the store in one line."""
        first = text.partition("\n")[0]
        if not code and any(each in first for each in ("169.254.", "metadata.google", "redential")):
            return f"no keys for it: set {_KEYS[self._scheme]}"
        if code:
            said = _MESSAGE.search(text)
            return redact(f"the store answers {code}{': ' * bool(said)}{said[1] if said else ''}")[:_LONGEST]
        return redact(f"the store does not answer: {re.sub(r'^.* - ', '', first)}")[:_LONGEST]


def _retry() -> RetryConfig:
    return {"max_retries": RETRIES, "retry_timeout": _RETRY_TIME}


def _facts(meta: Any) -> ObjectFacts:
    mark = (meta["e_tag"] or meta["last_modified"].isoformat()).strip('"')
    return ObjectFacts(meta["size"], f"{meta['size']}:{mark}")


def _region(address: str) -> str | None:
    """Returns the region of a bucket where neither the address nor the environment says it: S3 is asked, once."""
    named = {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} & os.environ.keys()
    if named or "region=" in address or "endpoint_override=" in address:
        return None
    import pyarrow.fs as pafs

    try:
        return str(pafs.resolve_s3_region(urlsplit(address).hostname or ""))
    except OSError:  # no such bucket, or no way to it: the first request says which
        return None


def reader_of(address: str) -> ObjectReader:
    """Returns this process's reader of a bucket, with its open connections; raises as `ObjectReader`."""
    return _reader_of(address, tuple(os.environ.get(name) for name in _ENVIRONMENT))


@lru_cache(maxsize=8)
def _reader_of(address: str, environment: tuple[str | None, ...]) -> ObjectReader:
    return ObjectReader(address)
