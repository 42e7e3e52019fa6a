"""Whether a checkpoint's file is all there, told from a few of its bytes. Needs no torch, so a plan can check it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.engine.file_kind import HEAD, file_kind

HEADER_LIMIT = 100_000_000  # safetensors' own
_ZIP = b"PK\x03\x04"
_NEVER = ("an empty file", "an HTML page", "a pointer of Git LFS", "zeros only")  # what never is a checkpoint


def in_file(source: object) -> str:
    """Returns "<path>: " to begin a message with, or nothing for a checkpoint that is given as bytes."""
    return "" if source is None or isinstance(source, bytes) else f"{source}: "


def require_whole(source: bytes | str | Path) -> None:
    """Raises ValueError where a checkpoint's bytes, or the file at a path, are cut off or evidently something else.

    A safetensors file and a zip, which PyTorch's files are, tell their length; other bytes are left to their reader.
    """
    if isinstance(source, bytes):
        _check(io.BytesIO(source), len(source), "")
        return
    with open(source, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        _check(file, size, in_file(source))


def safetensors_header(start: bytes, rest: bytes) -> Mapping[str, Any] | None:
    """Returns the header of a safetensors file of its first eight bytes and those after them; None for other bytes."""
    length = int.from_bytes(start, "little")
    if len(start) < 8 or len(rest) < length or rest[:1] != b"{":
        return None
    try:
        header = json.loads(rest[:length])
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def _check(file: BinaryIO, size: int, where: str) -> None:
    head = file.read(HEAD)
    kind = file_kind(head)
    if kind.startswith(_NEVER):
        raise ValueError(f"{where}expected a checkpoint, found {kind}")
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and length <= HEADER_LIMIT:
        file.seek(8)
        _check_safetensors(head[:8], file.read(length), size, where)
    elif head.startswith(_ZIP) and not zipfile.is_zipfile(file):
        raise ValueError(f"{where}the checkpoint is cut off after {size:,} bytes: fetch it again")


def _check_safetensors(start: bytes, rest: bytes, size: int, where: str) -> None:
    length = int.from_bytes(start, "little")
    if len(rest) < length:
        raise ValueError(f"{where}the checkpoint is cut off in its header of {length:,} bytes: fetch it again")
    header = safetensors_header(start, rest)
    if header is None:
        raise ValueError(f"{where}the checkpoint's safetensors header cannot be read: it is no JSON object")
    try:
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError(f"{where}the checkpoint's safetensors header does not say where its tensors lie") from None
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        more = "cut off, fetch it again" if size < expected else "something was added to it"
        raise ValueError(f"{where}expected a checkpoint of {expected:,} bytes, found {size:,}: {more}")
