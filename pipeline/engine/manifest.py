"""What one finished output is: recipe, shards and provenance; written last, so its presence means success."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.engine.assign import Kept
from pipeline.engine.fingerprint import digest
from pipeline.engine.shards import checksum
from pipeline.engine.storage import Store


@dataclass(frozen=True)
class ShardEntry:
    """One shard of an output: its name, its size, and which keys of it count (None: all)."""

    name: str
    size: int
    rows: int
    checksum: str
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Manifest:
    """A finished output of a node.

    Attributes:
        node: the node's name; fingerprint: its identity; recipe: identity of the per-row function.
        payload: what the fingerprint is the digest of, kept so that a change can be shown field by field.
        key: the column that names a row.
        shards: where the rows are.
        rows, errors: how many rows, and (key, message) of those that hold an error.
        run: provenance: seconds of work, peak memory, when, versions.
    """

    node: str
    fingerprint: str
    recipe: str
    payload: Mapping[str, Any]
    key: str
    shards: tuple[ShardEntry, ...] = ()
    rows: int = 0
    errors: tuple[tuple[str, str], ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Identity of the rows themselves, by which later nodes know this output.

        Computed again with the same bytes it is the same input, whatever was forced, moved or copied before.
        """
        return digest(sorted([s.checksum, *(s.keys or ())] for s in self.shards))

    @property
    def folder(self) -> str:
        """Folder of the shards, relative to the store."""
        return f"{self.node}/{self.recipe}"

    def save(self, store: Store) -> None:
        """Writes the manifest; all its shards are in place before."""
        store.write(
            manifest_name(self.node, self.recipe, self.fingerprint), json.dumps(asdict(self), indent=1).encode()
        )

    def broken(self, store: Store) -> list[str]:
        """Returns the names of shards that lack file or record, or are of another size than they were written with."""
        sizes = store.sizes(self.folder)
        return [
            s.name for s in self.shards if sizes.get(f"{s.name}.parquet") != s.size or f"{s.name}.json" not in sizes
        ]

    def corrupt(self, store: Store) -> list[str]:
        """Returns the names of shards whose bytes are not those that were written; reads every byte."""
        data = ((s, store.read_or_none(f"{self.folder}/{s.name}.parquet")) for s in self.shards)
        return [s.name for s, found in data if found is None or checksum(found) != s.checksum]


def manifest_name(node: str, recipe: str, fingerprint: str) -> str:
    """Returns the file name of a manifest within the store."""
    return f"{node}/{recipe}/manifest-{fingerprint}.json"


def finish(base: Manifest, kept: Sequence[Kept]) -> Manifest:
    """Returns the manifest of an output made of these shards; `base` tells everything else."""
    entries = tuple(ShardEntry(k.record.name, k.record.size, _count(k), k.record.checksum, k.keys) for k in kept)
    errors = tuple(e for k in kept for e in k.record.errors if k.keys is None or e[0] in set(k.keys))
    return replace(base, shards=entries, rows=sum(entry.rows for entry in entries), errors=errors)


def _count(kept: Kept) -> int:
    return kept.record.rows if kept.keys is None else len(kept.keys)


def load_manifest(store: Store, node: str, recipe: str, fingerprint: str) -> Manifest | None:
    """Returns a stored manifest, or None where there is none that can be read."""
    data = store.read_or_none(manifest_name(node, recipe, fingerprint))
    return None if data is None else _parse(data)


def stored_manifests(store: Store, node: str) -> list[Manifest]:
    """Returns every manifest of a node, newest first."""
    found = []
    for recipe in store.folders(node):
        for name in store.sizes(f"{node}/{recipe}"):
            if name.startswith("manifest-") and (manifest := _parse(store.read(f"{node}/{recipe}/{name}"))):
                found.append(manifest)
    return sorted(found, key=lambda m: -float(m.run.get("finished", 0)))


def _parse(data: bytes) -> Manifest | None:
    try:
        fields = json.loads(data)
        shards = tuple(ShardEntry(**{**s, "keys": s["keys"] and tuple(s["keys"])}) for s in fields.pop("shards"))
        errors = tuple((a, b) for a, b in fields.pop("errors"))
        return Manifest(**fields, shards=shards, errors=errors)
    except (ValueError, TypeError, KeyError):
        return None


def now() -> float:
    """Returns the wall clock in seconds, for provenance and to tell the newest output."""
    return round(time.time(), 6)


@dataclass(frozen=True)
class Artifact:
    """A finished output as later stages read it; picklable."""

    store: Store
    manifest: Manifest

    @property
    def node(self) -> str:
        """Name of the node that made it."""
        return self.manifest.node

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters of the stage that made it."""
        params: Mapping[str, Any] = self.manifest.payload["params"]
        return params

    def table(self, shard: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns one shard's rows that count, in stored order.

        Raises:
            ValueError: if the file is damaged, naming it and how to go on.
        """
        entry = next(s for s in self.manifest.shards if s.name == shard)
        name = f"{self.manifest.folder}/{shard}.parquet"
        wanted = (
            None if columns is None else list(dict.fromkeys([*columns, *([self.manifest.key] if entry.keys else [])]))
        )
        try:
            table = pq.read_table(self.store.path(name), columns=wanted, filesystem=self.store.filesystem)
        except (OSError, pa.ArrowInvalid) as error:
            raise ValueError(
                f"{name}: expected a whole Parquet file of {entry.size} bytes, found a damaged one ({error}); "
                f"run `wider8k run --force {self.node}` to compute it again"
            ) from error
        if entry.keys is not None:
            table = table.filter(pc.field(self.manifest.key).isin(list(entry.keys)))
        return table if columns is None else table.select(list(columns))

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yields the rows shard by shard: memory does not grow with the dataset."""
        for entry in self.manifest.shards:
            yield self.table(entry.name, columns)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yields the rows one by one."""
        for table in self.tables(columns):
            yield from table.to_pylist()

    def stamps(self) -> Iterator[tuple[str, str, str]]:
        """Yields (key, stamp, shard) of every row; the stamp changes with the bytes of the shard it lies in."""
        for entry in self.manifest.shards:
            for key in self.table(entry.name, [self.manifest.key]).column(0).to_pylist():
                yield key, digest([entry.checksum, key], size=8), entry.name
