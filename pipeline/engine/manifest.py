"""The manifest of a finished output, written last so that its presence means success, and the output's reader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.row_list import RowList
from pipeline.engine.shard_record import (
    DAMAGED,
    KEY,
    VERSION,
    DamagedError,
    ReusedShard,
    is_whole,
    mark_damaged,
    read_record,
)
from pipeline.engine.storage import Store

SHARD: Final = "shard"
_VERSION_DIGITS: Final = 16
_PREFIX: Final = "manifest-"
_SMALL_BYTES: Final = 2**20  # a file up to here is read before threads have begun


@dataclass(frozen=True)
class ShardEntry:
    """One shard of an output.

    Attributes:
        name, size, content_hash: of its file.
        rows: how many of its rows count.
        seconds: wall time of these rows in one worker.
        keys: the rows that count, None for all.
    """

    name: str
    size: int
    rows: int
    content_hash: str
    seconds: float = 0
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Manifest:
    """A finished output of a node.

    Attributes:
        node: the node's name.
        fingerprint, row_fingerprint: of the whole output, and of the function that computes one row.
        fingerprint_fields: what the fingerprint is the hash of, kept to show a change field by field.
        key: the column that names a row.
        shards: the files of the rows.
        rows, errors: how many rows, and (key, message) of those that hold an error.
        row_list: the file that lists the rows, for stages that plan with them; None for the output of a whole stage.
        run: provenance: seconds of work, peak memory, when, versions.
    """

    node: str
    fingerprint: str
    row_fingerprint: str
    fingerprint_fields: Mapping[str, Any]
    key: str
    shards: tuple[ShardEntry, ...] = ()
    rows: int = 0
    errors: tuple[tuple[str, str], ...] = ()
    row_list: RowList | None = None
    run: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def content_hash(self) -> str:
        """Hash of the rows, by which later nodes know this output: the same bytes computed again are the same input."""
        shards = sorted([s.content_hash, *(s.keys or ())] for s in self.shards)
        return hash_bytes(json.dumps(shards, ensure_ascii=False).encode())[:24]

    @cached_property
    def entries(self) -> Mapping[str, ShardEntry]:
        """Shard name -> entry."""
        return {entry.name: entry for entry in self.shards}

    @property
    def folder(self) -> str:
        """Folder of the shards, relative to the store."""
        return f"{self.node}/{self.row_fingerprint}"

    def save(self, store: Store) -> None:
        """Writes the manifest; all its shards and the list of its rows are in place before."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        shards = [[getattr(shard, each.name) for each in fields(ShardEntry)] for shard in self.shards]
        row_list = self.row_list and vars(self.row_list)
        data = with_checksum({**values, "shards": shards, "row_list": row_list})
        store.write(manifest_name(self.node, self.row_fingerprint, self.fingerprint), data)

    def broken(self, store: Store, sizes: Mapping[str, int] | None = None) -> list[str]:
        """Returns the names of shards that are not whole, see `is_whole`, and of the list of rows; reads none of them.

        `sizes` are those of the files in its folder, where they are known.
        """
        found = store.sizes(self.folder) if sizes is None else sizes
        bad = [s.name for s in self.shards if not is_whole(found, s.name, s.size)]
        return bad + ([self.row_list.name] if self.row_list and not self.row_list.is_whole(found) else [])

    def verify(self, store: Store) -> list[str]:
        """Returns the names of shards whose bytes or records are not those that were written; reads every byte.

        Afterwards exactly these are marked as damaged.
        """
        bad = self.row_list.verify(store, self.folder) if self.row_list else []
        for shard in self.shards:
            data = store.read_or_none(f"{self.folder}/{shard.name}.parquet")
            record = read_record(store, self.folder, shard.name, shard.content_hash)
            if data is None or record is None or hash_bytes(data) != shard.content_hash:
                bad.append(shard.name)
                mark_damaged(store, self.folder, shard.name, "found by reading every byte")
            elif store.read_or_none(marker := f"{self.folder}/{shard.name}{DAMAGED}") is not None:
                store.delete(marker)
        return bad


def manifest_name(node: str, row_fingerprint: str, fingerprint: str) -> str:
    """Returns the file name of a manifest within the store."""
    return f"{node}/{row_fingerprint}/{_PREFIX}{fingerprint}.json"


def finish(base: Manifest, kept: Sequence[ReusedShard]) -> Manifest:
    """Returns `base` with the shards, rows and errors of an output that consists of these shards."""
    entries, errors = [], []
    for each in kept:
        record, keys = each.record, each.keys
        rows, counted = (record.rows, None) if keys is None else (len(keys), set(keys))
        seconds = round(record.seconds * rows / record.rows, 3) if record.rows else 0
        entries.append(ShardEntry(record.name, record.size, rows, record.content_hash, seconds, keys))
        errors += [error for error in record.errors if counted is None or error[0] in counted]
    return replace(base, shards=tuple(entries), rows=sum(entry.rows for entry in entries), errors=tuple(errors))


def load_manifest(store: Store, node: str, row_fingerprint: str, fingerprint: str) -> Manifest | None:
    """Returns a stored manifest, or None where there is none that can be read as it was written."""
    data = store.read_or_none(manifest_name(node, row_fingerprint, fingerprint))
    return None if data is None else parse_manifest(data)


def stored_manifests(store: Store, node: str) -> list[Manifest]:
    """Returns every manifest of a node, newest first."""
    folders = [f"{node}/{row_fingerprint}" for row_fingerprint in store.folders(node)]
    names = [f"{folder}/{name}" for folder in folders for name in store.named(folder, _PREFIX)]
    found = (parse_manifest(data) for data in store.read_all(names) if data is not None)
    return sorted((manifest for manifest in found if manifest), key=lambda m: -float(m.run.get("finished", 0)))


def parse_manifest(data: bytes) -> Manifest | None:
    """Returns the manifest that `Manifest.save` wrote as these bytes, or None where they are others."""
    try:
        values = verified(data)
        shards = tuple(
            ShardEntry(name, size, rows, content_hash, seconds, None if keys is None else tuple(keys))
            for name, size, rows, content_hash, seconds, keys in values["shards"]
        )
        errors = tuple((key, message) for key, message in values["errors"])
        if listed := values["row_list"]:
            values["row_list"] = RowList(**{**listed, "columns": tuple(listed["columns"])})
        return Manifest(**{**values, "shards": shards, "errors": errors})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@dataclass(frozen=True)
class Artifact:
    """A finished output as later stages read it; picklable.

    Before a row of a shard is used, its whole file is read and compared with its content hash.
    """

    store: Store
    manifest: Manifest

    @property
    def node(self) -> str:
        """Name of the node that made it."""
        return self.manifest.node

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters of the stage that made it."""
        params: Mapping[str, Any] = self.manifest.fingerprint_fields["params"]
        return params

    def read(self, entry: ShardEntry | RowList) -> pa.Buffer:
        """Returns a shard's file, or that of the list of rows, as it was written; hashing takes 1 ms a MB.

        Raises DamagedError if the file is another one now, or is gone; it is then marked as damaged.
        """
        name = f"{self.manifest.folder}/{entry.name}.parquet"
        for _ in range(2):  # an error on the way from the disk need not happen twice
            data = self.store.read_buffer(name)
            if data is not None and hash_bytes(memoryview(data)) == entry.content_hash:
                return data
        found = "no file" if data is None else "as many others" if data.size == entry.size else f"{data.size} bytes"
        problem = f"{name} is damaged: expected the {entry.size} bytes that were written, found {found}"
        noted = mark_damaged(self.store, self.manifest.folder, entry.name, problem)
        again = "the next `wider8k run` computes it again" if noted else "the store takes no note of it"
        raise DamagedError(f"{problem}; {again}, with --force {self.node} all of {self.node}", noted)

    def table(self, shard: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns one shard's rows that count, in stored order.

        Raises DamagedError if the file is damaged; the message names it and how to go on.
        """
        entry, key = self.manifest.entries[shard], self.manifest.key
        wanted = None if columns is None else list(dict.fromkeys([*columns, *([key] if entry.keys else [])]))
        table = _parsed(self.read(entry), wanted)
        if entry.keys is not None:
            table = table.filter(pc.field(key).isin(list(entry.keys)))
        return table if columns is None else table.select(list(columns))

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yields the rows shard by shard: memory does not grow with the dataset."""
        for entry in self.manifest.shards:
            yield self.table(entry.name, columns)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yields the rows one by one."""
        for table in self.tables(columns):
            yield from table.to_pylist()

    def keys(self) -> pa.ChunkedArray:
        """Returns the key of every row, in the order of `rows`; reads no shard of a map stage's output."""
        return self._listed([]).column(0)

    def listing(self, columns: Sequence[str] = ()) -> pa.Table:
        """Returns a row for every row of the output, in the order of `rows`: what later nodes plan with.

        Its columns are the key; `VERSION`, which changes with the bytes of the shard that holds the row; `SHARD`, its
        name; and columns of the output. Shards are read only for those that the output's schema does not name in
        its metadata ``planned_with``.

        Raises DamagedError if a file that is read is damaged.
        """
        table = self._listed(columns)
        shards = self.manifest.shards
        places = pa.array(np.repeat(np.arange(len(shards), dtype=np.int32), [shard.rows for shard in shards]))
        facts = {VERSION: [s.content_hash[:_VERSION_DIGITS] for s in shards], SHARD: [s.name for s in shards]}
        for name, values in facts.items():
            column = pa.DictionaryArray.from_arrays(places, pa.array(values, pa.string()))
            table = table.append_column(name, column)
        return table.select([KEY, VERSION, SHARD, *columns])

    def ms_per_row(self) -> float | None:
        """Returns the wall time of one row in one worker, in milliseconds, over the shards of all runs.

        None where it has no row.
        """
        seconds = sum(shard.seconds for shard in self.manifest.shards)
        return 1000 * seconds / self.manifest.rows if self.manifest.rows else None

    def _listed(self, columns: Sequence[str]) -> pa.Table:
        """Returns `KEY` and columns of every row."""
        key, listed = self.manifest.key, self.manifest.row_list
        if listed is not None and {*columns} <= {*listed.columns}:
            return _parsed(self.read(listed), [KEY, *columns]).select([KEY, *columns])
        wanted = list(dict.fromkeys([key, *columns]))
        parts = list(self.tables(wanted))
        table = pa.concat_tables(parts) if parts else pa.table({name: pa.array([], pa.string()) for name in wanted})
        return table.append_column(KEY, table[key]).select([KEY, *columns])


def _parsed(data: pa.Buffer, columns: Sequence[str] | None) -> pa.Table:
    """Returns columns of a Parquet file in the order they have there, None for all.

    `pq.read_table` sets up a scan first, 0.5 ms of the 0.6 that a small shard took; a run reads thousands of them.
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    if file.num_row_groups > 1:  # each stays a chunk of its own, however much is in a row
        return pq.read_table(pa.BufferReader(data), columns=columns)
    return file.read(columns, use_threads=data.size > _SMALL_BYTES)
