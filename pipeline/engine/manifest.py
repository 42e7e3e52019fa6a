"""The manifest of a finished output, written last so that its presence means success, and the output's reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.fingerprint import hash_bytes, hash_json
from pipeline.engine.shard_record import (
    DAMAGED,
    WHOLE,
    DamagedError,
    ReusedShard,
    ShardRecord,
    is_whole,
    mark_damaged,
    read_record,
)
from pipeline.engine.storage import Store


@dataclass(frozen=True)
class ShardEntry:
    """One shard of an output; `keys` are the rows of it that count, None for all."""

    name: str
    size: int
    rows: int
    content_hash: str
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
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """Hash of the rows, by which later nodes know this output: the same bytes computed again are the same input."""
        return hash_json(sorted([s.content_hash, *(s.keys or ())] for s in self.shards))

    @cached_property
    def entries(self) -> Mapping[str, ShardEntry]:
        """Shard name -> entry."""
        return {entry.name: entry for entry in self.shards}

    @property
    def folder(self) -> str:
        """Folder of the shards, relative to the store."""
        return f"{self.node}/{self.row_fingerprint}"

    def save(self, store: Store) -> None:
        """Writes the manifest; all its shards are in place before."""
        store.write(
            manifest_name(self.node, self.row_fingerprint, self.fingerprint), with_checksum(asdict(self), indent=1)
        )

    def broken(self, store: Store) -> list[str]:
        """Returns the names of shards that are not whole, see `is_whole`; reads none of them."""
        sizes = store.sizes(self.folder)
        return [s.name for s in self.shards if not is_whole(sizes, s.name, s.size)]

    def verify(self, store: Store) -> list[str]:
        """Returns the names of shards whose bytes or records are not those that were written; reads every byte.

        Afterwards exactly these are marked as damaged.
        """
        bad = []
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
    return f"{node}/{row_fingerprint}/manifest-{fingerprint}.json"


def finish(base: Manifest, kept: Sequence[ReusedShard]) -> Manifest:
    """Returns `base` with the shards, rows and errors of an output that consists of these shards."""
    entries, errors = [], []
    for each in kept:
        record, keys = each.record, each.keys
        rows, counted = (record.rows, None) if keys is None else (len(keys), set(keys))
        entries.append(ShardEntry(record.name, record.size, rows, record.content_hash, keys))
        errors += [error for error in record.errors if counted is None or error[0] in counted]
    return replace(base, shards=tuple(entries), rows=sum(entry.rows for entry in entries), errors=tuple(errors))


def load_manifest(store: Store, node: str, row_fingerprint: str, fingerprint: str) -> Manifest | None:
    """Returns a stored manifest, or None where there is none that can be read as it was written."""
    data = store.read_or_none(manifest_name(node, row_fingerprint, fingerprint))
    return None if data is None else _parse(data)


def stored_manifests(store: Store, node: str) -> list[Manifest]:
    """Returns every manifest of a node, newest first."""
    found = []
    for row_fingerprint in store.folders(node):
        for name in store.sizes(f"{node}/{row_fingerprint}"):
            if name.startswith("manifest-") and (manifest := _parse(store.read(f"{node}/{row_fingerprint}/{name}"))):
                found.append(manifest)
    return sorted(found, key=lambda m: -float(m.run.get("finished", 0)))


def _parse(data: bytes) -> Manifest | None:
    try:
        fields = verified(data)
        shards = tuple(ShardEntry(**{**s, "keys": s["keys"] and tuple(s["keys"])}) for s in fields.pop("shards"))
        errors = tuple((a, b) for a, b in fields.pop("errors"))
        return Manifest(**fields, shards=shards, errors=errors)
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

    def read(self, entry: ShardEntry) -> pa.Buffer:
        """Returns a shard's file as it was written; hashing takes 1 ms a MB.

        Raises DamagedError if the file is another one now, or is gone; the shard is then marked as damaged.
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
        table = pq.read_table(pa.BufferReader(self.read(entry)), columns=wanted)
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

    def keys(self) -> Iterator[str]:
        """Yields the key of every row, in the order of `rows`; reads a shard only where its record is missing."""
        for entry in self.manifest.shards:
            yield from self._keys(entry)

    def item_versions(self) -> Iterator[tuple[str, str, str]]:
        """Yields (key, version, shard) of every row; the version changes with the bytes of the shard that holds it."""
        for entry in self.manifest.shards:
            for key in self._keys(entry):
                yield key, hash_json([entry.content_hash, key], size=8), entry.name

    def ms_per_row(self) -> float | None:
        """Returns the wall time of one row in one worker, in milliseconds, over the shards of all runs.

        None where no shard has a record, or none has a row.
        """
        records = [record for entry in self.manifest.shards if (record := self._record(entry))]
        rows = sum(record.rows for record in records)
        return 1000 * sum(record.seconds for record in records) / rows if rows else None

    def _record(self, entry: ShardEntry) -> ShardRecord | None:
        return read_record(self.store, self.manifest.folder, entry.name, entry.content_hash)

    def _keys(self, entry: ShardEntry) -> Sequence[str]:
        if entry.keys is not None:
            return entry.keys
        if entry.name != WHOLE and (record := self._record(entry)):  # the only item of a whole stage is no row
            return [key for key, _ in record.items]
        keys: list[str] = self.table(entry.name, [self.manifest.key]).column(0).to_pylist()
        return keys
