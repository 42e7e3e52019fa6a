"""Published weights that this project loads: where they are, and fetching them once, checked, into the user's cache."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pipeline.engine.registry import Registry, nearest

CHUNK: Final = 1 << 18
SECONDS_TO_ANSWER: Final = 30


class FetchError(ValueError):
    """The file could not be fetched; the message says what helps."""


@dataclass(frozen=True, slots=True)
class Published:
    """One file.

    Attributes:
        detector: entry of `DETECTORS` that loads it.
        url: address that public repositories name.
        sha256: of the whole file, hexadecimal, computed on a copy of it.
        size: in bytes.
        licence: of the repository it is from.
        source: that repository.
        claim: AP easy, medium, hard on WIDER FACE's validation set, and the protocol, as the source states them.
    """

    detector: str
    url: str
    sha256: str
    size: int
    licence: str
    source: str
    claim: str


PUBLISHED: Final[Registry[Published]] = Registry(
    "published file",
    {
        "retinaface_mobilenet": Published(
            "retinaface_mobilenet",
            "https://github.com/elliottzheng/face-detection/releases/download/0.0.1/mobilenet0.25_Final.pth",
            "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
            1_789_735,
            "MIT",
            "biubug6/Pytorch_Retinaface",
            "90.70 / 88.16 / 73.82, original size",
        ),
        "retinaface_mobilenet_mb1": Published(
            "retinaface_mobilenet_mb1",
            "https://raw.githubusercontent.com/biubug6/Face-Detector-1MB-with-landmark/"
            "2b075657aef954b9426f938ac7fce100b6910fe6/weights/mobilenet0.25_Final.pth",
            "ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1",
            1_789_735,
            "MIT",
            "biubug6/Face-Detector-1MB-with-landmark",
            "87.3 / 83.6 / 63.8, long edge 640",
        ),
    },
)


def cache_folder(environment: Mapping[str, str] = MappingProxyType(os.environ)) -> Path:
    """Returns the folder that fetched weights are kept in; it may not exist."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wider8k" / "weights"


def cached(name: str, folder: Path | None = None) -> Path:
    """Returns where a published file is kept once it is fetched. Raises ValueError: there is no such name."""
    file = PUBLISHED.find(name)
    return (folder or cache_folder()) / f"{name}-{file.sha256[:8]}.pth"


def weights_file(given: Path) -> Path:
    """Returns a weights file: the one at a path, else the fetched one of that name.

    Raises:
        FileNotFoundError: there is no such file, and no published one of that name; or it is a folder.
        ValueError: it is a published name whose file is not fetched yet.
    """
    name = str(given)
    if given.is_dir():
        raise FileNotFoundError(f"{name}: expected a weights file, found a folder")
    if given.exists():
        return given
    if name not in PUBLISHED:
        raise FileNotFoundError(
            f"{name}: expected a weights file, or a name that wider8k weights list prints; found neither"
            f"{nearest(name, PUBLISHED, listed=True)}"
        )
    file = cached(name)
    if not file.exists():
        raise ValueError(f"{name}: not fetched yet: wider8k weights get {name}")
    return file


def fetch(name: str, folder: Path | None = None, progress: Callable[[int, int], None] = lambda done, of: None) -> Path:
    """Returns a published file, fetched and checked; one that is there already is checked again, and not fetched.

    What a broken connection left is continued, where the server can, and checked as a whole.

    Args:
        name: entry of `PUBLISHED`.
        folder: to keep it in; None for `cache_folder`.
        progress: gets the number of bytes that are there, and of all.

    Raises:
        FetchError: no connection, the server refuses, the file ends early, or it is another file than was published.
        ValueError: there is no such name.
    """
    file, target = PUBLISHED.find(name), cached(name, folder)
    if target.exists() and _sha256(target) == file.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    try:
        _receive(file, part, progress)
    except OSError as error:  # urllib's and the socket's errors among them
        reason = getattr(error, "reason", None) or error
        raise FetchError(
            f"{file.url}: could not be fetched ({reason}). Run it again to go on where it stopped, or fetch it by hand "
            f"and give its path (sha256 {file.sha256})"
        ) from error
    if part.stat().st_size < file.size:
        raise FetchError(f"{file.url}: ended after {part.stat().st_size} of {file.size} bytes; run it again to go on")
    if (found := _sha256(part)) != file.sha256:
        part.unlink()
        raise FetchError(f"{file.url}: expected the file with sha256 {file.sha256}, found {found}; it is deleted")
    part.replace(target)
    return target


def _receive(file: Published, part: Path, progress: Callable[[int, int], None]) -> None:
    """Adds what is missing to a part of the file; one that is too long, or cannot be continued, begins again."""
    have = part.stat().st_size if part.exists() else 0
    have = have if have < file.size else 0
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as answer:
        have = have if answer.status == 206 else 0
        with part.open("ab" if have else "wb") as out:
            while have <= file.size and (data := answer.read(CHUNK)):
                out.write(data)
                have += len(data)
                progress(have, file.size)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
