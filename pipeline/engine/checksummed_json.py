"""JSON files that hold their own checksum: a flipped bit makes them unreadable, never wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.engine.fingerprint import hash_bytes

CHECKSUM = "checksum"


def with_checksum(fields: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Returns the bytes of a JSON file of these fields and their checksum."""
    return json.dumps({**fields, CHECKSUM: _checksum(fields)}, ensure_ascii=False, indent=indent).encode()


def verified(data: bytes) -> dict[str, Any]:
    """Returns the fields of such a file.

    Raises ValueError if it is no JSON mapping, or not the one that was written.
    """
    fields = json.loads(data)
    if not isinstance(fields, dict):
        raise ValueError(f"expected a mapping, found {type(fields).__name__}")
    if (found := fields.pop(CHECKSUM, None)) != (expected := _checksum(fields)):
        raise ValueError(f"expected the checksum {expected}, found {found}")
    return fields


def _checksum(fields: Mapping[str, Any]) -> str:
    return hash_bytes(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())
