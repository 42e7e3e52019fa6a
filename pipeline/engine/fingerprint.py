"""Canonical form, hash and field-by-field difference of values.

A value without one stable form raises instead of being hashed by its `repr`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa

ABSENT = "(absent)"


def canonical(value: object, where: str = "value") -> Any:
    """Returns `value` as plain JSON types with sorted string keys.

    Args:
        value: None, bool, int, finite float, str, Enum, or a list, tuple or mapping of these.
        where: name of the value in an error message.

    Raises ValueError for anything else, with its place and what to do.
    """
    if isinstance(value, Enum):
        return canonical(value.value, where)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}: {value} has no stable form; use null or a finite number")
        # 1 and 1.0 are the same parameter.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{where}: key {key!r} is {type(key).__name__}; use text keys")
        return {key: canonical(value[key], f"{where}.{key}") for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical(each, f"{where}[{i}]") for i, each in enumerate(value)]
    raise ValueError(f"{where}: {type(value).__name__} has no stable form; give a number, text, list or mapping")


def hash_json(value: object, size: int = 12) -> str:
    """Returns the hexadecimal BLAKE2b (`size` bytes) of a value's canonical JSON."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def hash_bytes(data: bytes | memoryview) -> str:
    """Returns the hexadecimal BLAKE2b-128 of a file's bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def hash_texts(*columns: pa.StringArray, size: int = 12) -> str:
    """Returns the hexadecimal BLAKE2b (`size` bytes) of columns of text, each without nulls; a slice counts as itself.

    A million file names take 0.1 s.
    """
    found = hashlib.blake2b(digest_size=size)
    for column in columns:
        _, offsets, text = column.buffers()
        ends = np.frombuffer(offsets, np.int32)[column.offset :][: len(column) + 1] if len(column) else np.zeros(1)
        found.update(len(column).to_bytes(8, "little") + np.diff(ends).astype("<i4").tobytes())
        if text is not None and ends[0] < ends[-1]:
            found.update(memoryview(text)[ends[0] : ends[-1]])
    return found.hexdigest()


def difference(old: object, new: object, path: str = "") -> list[tuple[str, Any, Any]]:
    """Returns (field, old value, new value) for every leaf in which two canonical values differ.

    >>> difference({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
    [('b.c', 2, 3)]
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        rows: list[tuple[str, Any, Any]] = []
        for key in sorted({*old, *new}):
            name = f"{path}.{key}" if path else str(key)
            rows += difference(old.get(key, ABSENT), new.get(key, ABSENT), name)
        return rows
    return [] if old == new else [(path, old, new)]
