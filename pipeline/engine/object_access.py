"""Opens buckets of S3 and Google Storage and containers of Azure, by obstore or as a file system of pyarrow.

The same addresses and variables say keys and server to both. obstore takes one request per operation and can
write under a condition; `pyarrow.fs` asks for an object's size before it reads, writes in three requests, and has no
conditions. It is the way for those who need a `pyarrow` file system: Ray Train, and readers of parts of a file.
"""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import pyarrow.fs as pafs

from pipeline.engine.redaction import redact

if TYPE_CHECKING:
    from obstore.store import RetryConfig

SCHEMES: Final = ("s3", "gs", "gcs", "az")
OPTIONS: Final = {"s3": ("endpoint_override", "region", "scheme"), "gs": ("endpoint_override", "scheme"), "az": ()}
"""What may follow ``?`` in an address, by scheme."""
_SECONDS: Final = "300s"  # of one request: a checkpoint of 500 MB may come over a slow line
_EMULATOR: Final = "devstoreaccount1"  # the only account of Azurite


def open_objects(address: str, region: str | None = None, retry: RetryConfig | None = None, **client: str) -> Any:
    """Returns obstore's access to the objects below an address; connects to nothing yet.

    Args:
        address: ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``, with `OPTIONS`. On S3 it
            may hold keys. Without keys in it those of the environment count (of AWS, Google or Azure), then
            those of the AWS profile, then what the machine offers (web identity, container, instance).
        region: of a bucket of S3, where it is known.
        retry: how often and how long a request is repeated; None for obstore's own way.
        client: options of obstore's HTTP client beside those that all have here.

    Raises ValueError: the address has another scheme, an option that is not known, or keys where none are taken.
    """
    url, scheme, options = _parts(address)
    prefix = unquote(url.path).strip("/") or None
    settings: Any = {"allow_http": True, "timeout": _SECONDS, **client}
    given: dict[str, Any] = {"prefix": prefix, "client_options": settings, "retry_config": retry}
    from obstore.store import AzureStore, GCSStore, S3Store  # 40 ms that a run on disks need not wait

    if scheme == "az":
        return AzureStore(url.hostname or "", account_name=_azure_account(), **given)
    if endpoint := options.get("endpoint_override"):
        endpoint = endpoint if "://" in endpoint else f"{options.get('scheme', 'https')}://{endpoint}"
    if scheme == "gs":
        config: dict[str, Any] = {"base_url": endpoint} if endpoint else {}
        if url.username == "anonymous":  # pyarrow's way to write it
            config["skip_signature"] = True
        return GCSStore(url.hostname or "", **given, **config)
    config = {"endpoint": endpoint} if endpoint else {}
    if region := options.get("region") or region:
        config["region"] = region
    if url.username:
        config |= {"access_key_id": unquote(url.username), "secret_access_key": unquote(url.password or "")}
    elif "AWS_ACCESS_KEY_ID" not in os.environ:
        config |= _profile_keys()
    return S3Store(url.hostname or "", **given, **config)


def file_system(address: str) -> tuple[pafs.FileSystem, str]:
    """Returns pyarrow's file system of an address, and the path in it; connects to nothing yet.

    Raises ValueError or OSError: pyarrow does not know it, and may repeat the address with its keys.
    """
    url = urlsplit(address)
    if url.scheme != "az":
        filesystem, base = pafs.FileSystem.from_uri(address)
        return filesystem, base.rstrip("/")
    return pafs.AzureFileSystem(**_azure()), f"{url.hostname}{unquote(url.path)}".rstrip("/")


def _parts(address: str) -> tuple[SplitResult, str, dict[str, str]]:
    """Returns the parts of an address, its scheme and its options; raises ValueError as `open_objects`."""
    url = urlsplit(address)
    if url.scheme not in SCHEMES:
        raise ValueError(f"expected {', '.join(f'{each}://' for each in SCHEMES)}, found {redact(address)}")
    scheme, place = url.scheme.replace("gcs", "gs"), f"{url.scheme}://{url.hostname}"
    options = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    if unknown := sorted(options.keys() - {*OPTIONS[scheme]}):
        known = f"of the options {', '.join(OPTIONS[scheme])} only" if OPTIONS[scheme] else "no options after ?"
        raise ValueError(f"{place}: expected {known}, found {', '.join(map(redact, unknown))}")
    if scheme != "s3" and url.username not in (None, "anonymous" if scheme == "gs" else None):
        raise ValueError(f"{place}: expected no keys in the address, found some before the @")
    return url, scheme, options


def _azure_account() -> str:
    if not (account := os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")):
        raise ValueError("expected the account of az:// in AZURE_STORAGE_ACCOUNT_NAME, found none")
    return account


def _azure() -> dict[str, str]:
    """Returns what pyarrow needs of the variables that obstore reads by itself."""
    names = {
        "account_key": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"),
        "sas_token": ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
    }  # without either pyarrow asks for an identity, by the variables that it reads by itself
    found = {to: os.environ[each] for to, given in names.items() for each in given if each in os.environ}
    found["account_name"] = _azure_account()
    if found["account_name"] == _EMULATOR and (endpoint := os.environ.get("AZURE_ENDPOINT")):
        server = urlsplit(endpoint)
        for kind in ("blob", "dfs"):
            found |= {f"{kind}_storage_authority": server.netloc, f"{kind}_storage_scheme": server.scheme}
    return found


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
