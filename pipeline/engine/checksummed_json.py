"""JSON files that hold their own checksum: a flipped bit makes them unreadable, never wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.engine.fingerprint import hash_bytes

CHECKSUM = "checksum"
_TAIL = f', "{CHECKSUM}": "'.encode()
_LENGTH = 32  # of a hash in hexadecimal


def with_checksum(fields: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Returns the bytes of a JSON file of these fields, at least one, and the checksum of all bytes before it."""
    text = json.dumps(fields, ensure_ascii=False, indent=indent).encode()[:-1].rstrip()
    return b'%b%b%b"}' % (text, _TAIL, hash_bytes(text).encode())


def verified(data: bytes) -> dict[str, Any]:
    """Returns the fields of such a file.

    Raises ValueError if it is no JSON mapping, or not the one that was written.
    """
    text, tail, found = data[: -_LENGTH - 2], _TAIL, data[-_LENGTH - 2 :]
    if text.endswith(tail) and found == b'%b"}' % (expected := hash_bytes(text[: -len(tail)]).encode()):
        fields: dict[str, Any] = json.loads(text[: -len(tail)] + b"}")
        return fields
    if not isinstance(fields := json.loads(data), dict):
        raise ValueError(f"expected a mapping, found {type(fields).__name__}")
    expected = hash_bytes(text.removesuffix(tail)).encode()
    raise ValueError(f"expected the checksum {expected.decode()}, found {fields.get(CHECKSUM)}")
