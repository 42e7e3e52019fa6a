"""What a run has left in a store, by checksum, and in what it differs from what another one has left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine.config import load_config
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.storage import Store
from stages.graph import STAGES


@dataclass(frozen=True)
class Contents:
    """Outputs of all nodes of a config.

    Attributes:
        rows: (node, key) -> how many rows of that key there are.
        files: name of a shard or of a copy at the store's top -> hash of its bytes; shards are named
            ``node/shard``, without the folder, whose name is a fingerprint.
    """

    rows: Mapping[tuple[str, str], int]
    files: Mapping[str, str]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(self.rows.values())


@dataclass(frozen=True)
class Difference:
    """In what two outputs differ; all zero where they are the same to the byte.

    Attributes:
        lost, doubled: rows that are missing, and rows too many.
        changed, absent, added: files of other bytes, missing ones, and ones too many.
        names: what differs, a line each.
    """

    lost: int = 0
    doubled: int = 0
    changed: int = 0
    absent: int = 0
    added: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Every count by its name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "names"}

    def __add__(self, other: Difference) -> Difference:
        """Returns both together."""
        sums = {name: count + other.counts[name] for name, count in self.counts.items()}
        return Difference(**sums, names=(*self.names, *other.names))


def contents(store: Store, config: Path) -> Contents:
    """Returns what is stored of a config's nodes; every byte of it is read.

    Raises FileNotFoundError where a node has no finished output or a shard has gone.
    """
    rows, files = Counter[tuple[str, str]](), dict[str, str]()
    for node in load_config(config, STAGES, []).graph.order:
        manifests = stored_manifests(store, node)
        if not manifests:
            raise FileNotFoundError(f"{store.url}: {node} has no finished output")
        manifest = manifests[0]
        for shard in manifest.shards:
            data = store.read(f"{manifest.folder}/{shard.name}.parquet")
            files[f"{node}/{shard.name}"] = hash_bytes(data)
            keys = pq.read_table(pa.BufferReader(data), columns=[manifest.key])[manifest.key].to_pylist()
            counted = keys if shard.keys is None else [key for key in keys if key in set(shard.keys)]
            rows.update((node, str(key)) for key in counted)
    for name in store.sizes(""):
        files[name] = hash_bytes(store.read(name))
    return Contents(rows, files)


def difference(found: Contents, expected: Contents) -> Difference:
    """Returns in what an output differs from the one that is expected."""
    lost, doubled = Counter(expected.rows) - Counter(found.rows), Counter(found.rows) - Counter(expected.rows)
    absent, added = expected.files.keys() - found.files.keys(), found.files.keys() - expected.files.keys()
    changed = {name for name in found.files.keys() & expected.files.keys() if found.files[name] != expected.files[name]}
    lines = [f"{node}: row {key} lost" for node, key in lost] + [f"{node}: row {key} doubled" for node, key in doubled]
    for names, what in ((changed, "has other bytes"), (absent, "is missing"), (added, "is not in the quiet run")):
        lines += [f"{name} {what}" for name in sorted(names)]
    return Difference(lost.total(), doubled.total(), len(changed), len(absent), len(added), tuple(lines))
