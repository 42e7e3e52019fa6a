"""The header of a checkpoint's file, and whether the file is whole, from a few of its bytes. Needs no torch."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.engine.file_kind import HEAD, file_kind

HEADER_LIMIT = 100_000_000  # safetensors' own
MOST_TIMES = 10  # what a zip holds, relative to its size
_ZIP = b"PK\x03\x04"
_NEVER = ("an empty file", "an HTML page", "a pointer of Git LFS", "zeros only")  # what never is a checkpoint


def in_file(source: bytes | str | Path) -> str:
    """Returns "<path>: " to begin a message with, or nothing for a checkpoint that is given as bytes."""
    return "" if isinstance(source, bytes) else f"{source}: "


def whole_header(source: bytes | str | Path) -> Mapping[str, Any] | None:
    """Returns the header of a safetensors file, given as bytes or by its path; None for other kinds.

    A safetensors file and a zip, which PyTorch's files are, have their length in them; other bytes are left to their
    reader.

    Raises:
        ValueError: the file is cut off or evidently something else.
    """
    if isinstance(source, bytes):
        return _header(io.BytesIO(source), len(source), "")
    with open(source, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        return _header(file, size, in_file(source))


def _header(file: BinaryIO, size: int, where: str) -> Mapping[str, Any] | None:
    head = file.read(HEAD)
    kind = file_kind(head)
    if kind.startswith(_NEVER):
        raise ValueError(f"{where}expected a checkpoint, found {kind}")
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and length <= HEADER_LIMIT:
        file.seek(8)
        return _safetensors(length, file.read(length), size, where)
    if head.startswith(_ZIP):
        _check_zip(file, size, where)
    return None


def _check_zip(file: BinaryIO, size: int, where: str) -> None:
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{where}the checkpoint is cut off after {size:,} bytes: fetch it again")
    with zipfile.ZipFile(file) as archive:
        opened = sum(member.file_size for member in archive.infolist())
    if opened > MOST_TIMES * size:  # torch stores tensors as they are
        raise ValueError(f"{where}expected a checkpoint, found a zip of {size:,} bytes that opens to {opened:,}")


def _safetensors(length: int, text: bytes, size: int, where: str) -> Mapping[str, Any]:
    if len(text) < length:
        raise ValueError(f"{where}the checkpoint is cut off in its header of {length:,} bytes: fetch it again")
    try:
        header: Mapping[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{where}the checkpoint's safetensors header cannot be read: it is no JSON object") from None
    try:
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError(f"{where}the checkpoint's safetensors header does not say where its tensors are") from None
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        more = "cut off, fetch it again" if size < expected else "something was added to it"
        raise ValueError(f"{where}expected a checkpoint of {expected:,} bytes, found {size:,}: {more}")
    return header
