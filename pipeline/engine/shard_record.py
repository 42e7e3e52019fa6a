"""The record beside a stored shard: which items it holds, and whether its bytes are those that were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.storage import Store

KEY: Final = "key"
VERSION: Final = "version"
TOGETHER: Final = 500  # records that share memory
_TEXTS: Final = ((KEY, pa.string()), (VERSION, pa.string()))
WHOLE = "whole"  # name of the only shard of a whole stage
DAMAGED = ".damaged"
"""Suffix of the marker beside a shard whose bytes are not those that were written: it is computed again.

Readers write it, the next writer of the shard deletes it. The shard itself is kept: where only the reading went wrong,
`status --verify` removes the marker.
"""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """Content of the JSON file beside a finished shard.

    Attributes:
        name: file name without extension.
        row_fingerprint: of the function that computed the rows.
        rows, size, content_hash: of the Parquet file, in rows, in bytes, and its BLAKE2b-128.
        items: `KEY` and `VERSION` of every row, in row order, and those columns of it that later nodes plan with.
        errors: (key, message) of the rows that hold an error.
        seconds: wall time of the computation; peak_mb: largest resident memory of the process so far.
        host: ``machine:process``.
        measured: amounts of `measures`, such as ``boxes``, ``bytes_read`` and seconds per piece.
    """

    name: str
    row_fingerprint: str
    rows: int
    size: int
    content_hash: str
    items: pa.RecordBatch
    errors: list[tuple[str, str]]
    seconds: float
    peak_mb: int
    host: str
    measured: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Returns the record as the bytes of its file."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return with_checksum({**values, "items": self.items.to_pydict()})

    @classmethod
    def from_json(cls, data: bytes) -> ShardRecord | None:
        """Returns the record, or None where the bytes are not one that `to_json` wrote."""
        try:
            values = verified(data)
            errors = [(str(key), str(message)) for key, message in values.pop("errors")]
            return cls(**{**values, "items": item_columns(values.pop("items")), "errors": errors})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def item_columns(columns: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """Returns the columns of `ShardRecord.items`, whose keys and versions are text.

    Raises ValueError, TypeError or KeyError where they are not, or are not of one length.
    """
    arrays = {name: pa.array(columns[name], kind) for name, kind in _TEXTS}
    more = {name: pa.array(values) for name, values in columns.items() if name not in arrays}
    return pa.record_batch({**arrays, **more})


@dataclass(frozen=True, slots=True)
class ReusedShard:
    """A stored shard that is part of an output.

    Attributes:
        record: what is beside it.
        keys: the rows of it that count, None for all.
        first: place of the first of the node's items that it holds.
    """

    record: ShardRecord
    keys: tuple[str, ...] | None
    first: int


def shard_names(sizes: Mapping[str, int]) -> list[str]:
    """Returns the sorted names of a map stage's shards that have a record; `sizes` are those of their folder."""
    return sorted(n.removesuffix(".json") for n in sizes if n.endswith(".json") and n.startswith("shard-"))


def finished_shards(
    store: Store, folder: str, row_fingerprint: str, sizes: Mapping[str, int] | None = None
) -> list[ShardRecord]:
    """Returns the records of the shards in `folder` that are whole and of this row fingerprint, by name.

    `sizes` are those of the files in the folder, where they are known.
    """
    found = store.sizes(folder) if sizes is None else sizes
    records = (ShardRecord.from_json(data) for data in _record_files(store, folder, found))
    whole = (r for r in records if r and r.row_fingerprint == row_fingerprint and is_whole(found, r.name, r.size))
    return list(compacted(whole))


def compacted(records: Iterable[ShardRecord]) -> Iterator[ShardRecord]:
    """Yields the same records, whose columns share memory: alone, small ones take more for themselves than for rows."""
    rest = iter(records)
    while part := list(islice(rest, TOGETHER)):
        tables = [pa.Table.from_batches([record.items]) for record in part]
        (rows,) = pa.concat_tables(tables, promote_options="permissive").combine_chunks().to_batches() or [None]
        first = 0
        for record in part:
            count = record.items.num_rows
            yield record if rows is None else replace(record, items=rows.slice(first, count))
            first += count


def _record_files(store: Store, folder: str, sizes: Mapping[str, int]) -> Iterator[bytes]:
    """Yields the record of every shard that has one."""
    return (data for data in store.read_all(f"{folder}/{name}.json" for name in shard_names(sizes)) if data is not None)


def is_whole(sizes: Mapping[str, int], name: str, size: int) -> bool:
    """Returns whether a shard has both files, the size that was written and no marker of damage; reads no file."""
    return sizes.get(f"{name}.parquet") == size and f"{name}.json" in sizes and f"{name}{DAMAGED}" not in sizes


class DamagedError(ValueError):
    """Stored bytes are not those that were written.

    Attributes:
        noted: the store has a marker of it, so that the next plan computes them again.
    """

    def __init__(self, message: str, noted: bool = True) -> None:
        super().__init__(message)
        self.noted = noted


def read_record(store: Store, folder: str, shard: str, expected: str) -> ShardRecord | None:
    """Returns the record beside a shard; None where there is none of a shard with this content hash."""
    data = store.read_or_none(f"{folder}/{shard}.json")
    record = None if data is None else ShardRecord.from_json(data)
    return record if record is not None and record.content_hash == expected else None


def mark_damaged(store: Store, folder: str, shard: str, problem: str) -> bool:
    """Marks a shard as damaged; returns False where the store cannot be written."""
    try:
        store.write(f"{folder}/{shard}{DAMAGED}", f"{problem}\n".encode())
    except OSError:
        return False
    return True
