"""The list of an output's rows: one Parquet file beside the manifest, so that later nodes plan without its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shard_record import DAMAGED, mark_damaged
from pipeline.engine.storage import Store

ROWS = "_rows-"  # readers of a folder of Parquet files leave out names that begin like this
PLANNED_WITH = b"planned_with"
"""Metadata of a schema: the columns, separated by commas, that later nodes plan with."""


@dataclass(frozen=True)
class RowList:
    """A stored list of rows.

    Attributes:
        name: file name without extension.
        size, content_hash: of the file, in bytes, and its BLAKE2b-128.
        columns: what it holds beside the key of every row, in the order of the manifest's shards.
    """

    name: str
    size: int
    content_hash: str
    columns: Sequence[str]

    def is_whole(self, sizes: Mapping[str, int]) -> bool:
        """Returns whether it has the size that was written and no marker of damage; `sizes` are of its folder."""
        return sizes.get(f"{self.name}.parquet") == self.size and f"{self.name}{DAMAGED}" not in sizes

    def verify(self, store: Store, folder: str) -> list[str]:
        """Returns its name if its bytes are not those that were written, else nothing; it is then marked, or not."""
        data, marker = store.read_or_none(f"{folder}/{self.name}.parquet"), f"{folder}/{self.name}{DAMAGED}"
        if data is None or hash_bytes(data) != self.content_hash:
            mark_damaged(store, folder, self.name, "found by reading every byte")
            return [self.name]
        if store.read_or_none(marker) is not None:
            store.delete(marker)
        return []


def planned_with(schema: pa.Schema) -> tuple[str, ...]:
    """Returns the columns of an output that later nodes plan with."""
    names = (schema.metadata or {}).get(PLANNED_WITH, b"").decode()
    return tuple(filter(None, names.split(",")))


def write_row_list(store: Store, folder: str, fingerprint: str, table: pa.Table) -> RowList:
    """Writes the list of an output's rows, whose first column is `KEY`; returns what it is.

    A marker of damage beside it stays.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, row_group_size=max(1, len(table)))
    data = memoryview(sink.getvalue()).cast("B")
    found = RowList(f"{ROWS}{fingerprint}", len(data), hash_bytes(data), tuple(table.column_names[1:]))
    store.write(f"{folder}/{found.name}.parquet", data)
    return found
