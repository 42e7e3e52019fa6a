"""Files on S3 through obstore: one request per operation, and writes that succeed only where no object is yet.

`pyarrow.fs` asks for an object's size before it reads, writes in three requests, deletes in three, and has no
conditional write. It stays the way to a `pyarrow` file system for those who need one (Ray Train, parts of a file).
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from pipeline.engine.redaction import redact

if TYPE_CHECKING:
    from obstore.store import RetryConfig

P = ParamSpec("P")
T = TypeVar("T")
OPTIONS: Final = ("endpoint_override", "region", "scheme")
_AT_ONCE: Final = 1000  # names of one request
_SECONDS: Final = "300s"  # of one request: a checkpoint of 500 MB may come over a slow line


def _as_os_error(function: Callable[P, T]) -> Callable[P, T]:
    """Returns a function whose errors of the store are OSErrors, as those of a disk are."""

    @wraps(function)
    def asked(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except BaseError as error:
            raise OSError(redact(str(error).partition("\n")[0])) from None  # the rest is for its developers

    return asked


def s3_store(address: str, region: str | None, retry: RetryConfig | None = None, **client: str) -> S3Store:
    """Returns obstore's access to the objects of `S3Objects`, which says what an address is; connects to nothing yet.

    Args:
        address: of `S3Objects`.
        region: of the bucket, where it is known.
        retry: how often and how long a request is repeated; None for obstore's own way.
        client: options of obstore's HTTP client beside those that all have here.

    Raises ValueError: the address has another option than `OPTIONS`.
    """
    url = urlsplit(address)
    options = {name: values[-1] for name, values in parse_qs(url.query).items()}
    if unknown := sorted(options.keys() - {*OPTIONS}):
        raise ValueError(f"store: expected of the options {', '.join(OPTIONS)} only, found {', '.join(unknown)}")
    region = options.get("region") or region
    config: dict[str, Any] = {"region": region} if region else {}
    if endpoint := options.get("endpoint_override"):
        config["endpoint"] = endpoint if "://" in endpoint else f"{options.get('scheme', 'https')}://{endpoint}"
    if url.username:
        config |= {"access_key_id": unquote(url.username), "secret_access_key": unquote(url.password or "")}
    elif "AWS_ACCESS_KEY_ID" not in os.environ:
        config |= _profile_keys()
    settings: Any = {"allow_http": True, "timeout": _SECONDS, **client}
    prefix = unquote(url.path).strip("/") or None
    return S3Store(url.hostname or "", prefix=prefix, client_options=settings, retry_config=retry, **config)


class S3Objects:
    """The objects below one prefix of a bucket, by names relative to it."""

    def __init__(self, address: str, region: str | None) -> None:
        """Connects to nothing yet.

        Args:
            address: ``s3://bucket/prefix``, with keys and the options `OPTIONS` of pyarrow.fs. Without keys in it those
                of the environment count, then those of the AWS profile, then what the machine offers (web identity,
                container, instance).
            region: of the bucket, where it is known.

        Raises:
            ValueError: it has another option.
        """
        self._store = s3_store(address, region)

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
                if not each["path"].startswith(first):
                    return
                yield each["path"].rpartition("/")[2]

    @_as_os_error
    def delete(self, names: Sequence[str]) -> None:
        """Deletes objects, a thousand in one request; nothing happens where there is none."""
        for start in range(0, len(names), _AT_ONCE):
            obstore.delete(self._store, names[start : start + _AT_ONCE])


def _profile_keys() -> dict[str, str]:
    """Returns the keys that the AWS profile in use holds itself; none where it has another way to get them."""
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
        profile = parser[os.environ.get("AWS_PROFILE", "default")]
    except (KeyError, configparser.Error, UnicodeDecodeError):
        return {}
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return {name.removeprefix("aws_"): profile[name] for name in names if name in profile}
