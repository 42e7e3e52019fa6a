"""Files on S3, Google Storage or Azure through obstore: one request per operation, and writes under a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from pipeline.engine.object_access import open_objects
from pipeline.engine.redaction import redact

if TYPE_CHECKING:
    from obstore.store import RetryConfig

P = ParamSpec("P")
T = TypeVar("T")
_AT_ONCE: Final = 1000  # names of one request
_FEW: Final[RetryConfig] = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=20),
}  # a beat of the lock must not come too late


def _as_os_error(function: Callable[P, T]) -> Callable[P, T]:
    """Returns a function whose errors of the store are OSErrors, as those of a disk are."""

    @wraps(function)
    def asked(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except BaseError as error:
            raise OSError(redact(str(error).partition("\n")[0])) from None  # the rest is for its developers

    return asked


class Objects:
    """The objects below one prefix of a bucket or container, by names relative to it."""

    def __init__(self, address: str, region: str | None = None) -> None:
        """Connects to nothing yet.

        Args:
            address: as `open_objects` takes it.
            region: of a bucket of S3, where it is known.

        Raises:
            ValueError: as `open_objects`.
        """
        self._store = open_objects(address, region)
        self._hasty = open_objects(address, region, _FEW)

    @_as_os_error
    def read(self, name: str) -> memoryview | None:
        """Returns an object's bytes, or None where there is none."""
        try:
            return memoryview(obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return None

    @_as_os_error
    def write(self, name: str, data: bytes | memoryview) -> None:
        """Writes an object, over the one that was there."""
        obstore.put(self._store, name, data)

    @_as_os_error
    def create(self, name: str, data: bytes) -> bool:
        """Writes an object only if there is none (``If-None-Match: *``); returns whether this call made it."""
        try:
            obstore.put(self._store, name, data, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    @_as_os_error
    def swap(self, name: str, old: bytes, new: bytes) -> bool:
        """Writes an object only if it holds ``old`` (``If-Match``); returns whether it holds ``new`` by this call.

        Of several calls at once one wins; on Google Storage the condition is the object's generation. A server that
        knows no such condition answers 501, and the object is written without one.
        """
        try:
            found = obstore.get(self._store, name)
            if bytes(found.bytes()) != old:
                return False
            seen: Any = {key: value for key in ("e_tag", "version") if (value := found.meta[key])}
            obstore.put(self._hasty, name, new, mode=seen)
        except FileNotFoundError:
            return False
        except PreconditionError:  # also where the answer to the same write was lost, and it was repeated
            return bytes(self.read(name) or b"") == new
        except BaseError as error:
            if "501 Not Implemented" not in str(error):
                raise
            self.write(name, new)
        return True

    @_as_os_error
    def below(self, folder: str) -> dict[str, int]:
        """Returns name relative to `folder` -> bytes of every object below it, however deep."""
        prefix = f"{folder}/" if folder else ""
        parts = obstore.list(self._store, folder or None, chunk_size=_AT_ONCE)
        found = (each for part in parts for each in part)
        return {each["path"].removeprefix(prefix): each["size"] for each in found if each["path"] != folder}

    @_as_os_error
    def inside(self, folder: str) -> tuple[dict[str, int], list[str]]:
        """Returns name -> bytes of the objects right inside `folder`, and the names of the folders there."""
        found = obstore.list_with_delimiter(self._store, folder or None)
        # pyarrow and consoles make an empty object for a folder itself.
        objects = (each for each in found["objects"] if each["path"] != folder)
        sizes = {each["path"].rpartition("/")[2]: each["size"] for each in objects}
        return sizes, sorted(path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])

    @_as_os_error
    def named(self, folder: str, start: str) -> list[str]:
        """Returns the sorted names of the objects in `folder` that begin with `start`."""
        first = f"{folder}/{start}"
        return list(self._from(folder, first))

    def _from(self, folder: str, first: str) -> Iterator[str]:
        for part in obstore.list(self._store, folder, offset=first, chunk_size=_AT_ONCE):
            for each in part:
                if each["path"].startswith(first):
                    yield each["path"].rpartition("/")[2]
                elif each["path"] > first:  # what is before it is left out by the server, and not by every one
                    return

    @_as_os_error
    def delete(self, names: Sequence[str]) -> None:
        """Deletes objects, a thousand in one request (on Google Storage one); nothing happens where there is none."""
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            try:
                obstore.delete(self._store, part)
            except FileNotFoundError:  # of one of them, on Google Storage; what came after it is still there
                for name in part:
                    with suppress(FileNotFoundError):
                        obstore.delete(self._store, name)
