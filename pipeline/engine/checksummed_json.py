"""JSON files of the store that carry a digest of themselves: a flipped bit makes them unreadable, never wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "seal"


def with_checksum(fields: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Returns the bytes of a JSON file of these fields and their digest."""
    return json.dumps({**fields, SEAL: _digest(fields)}, ensure_ascii=False, indent=indent).encode()


def verified(data: bytes) -> dict[str, Any]:
    """Returns the fields of a sealed file, or of one that was written before there were seals.

    Raises:
        ValueError: it is no JSON mapping, or not the one that was written.
    """
    fields = json.loads(data)
    if not isinstance(fields, dict):
        raise ValueError(f"expected a mapping, found {type(fields).__name__}")
    if SEAL in fields and (found := fields.pop(SEAL)) != (expected := _digest(fields)):
        raise ValueError(f"expected the seal {expected}, found {found}")
    return fields


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
