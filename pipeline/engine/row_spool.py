"""Rows of finished shards while others are computed, on this machine's disk: memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.engine.row_list import planned_with
from pipeline.engine.shard_record import KEY, ReusedShard, item_columns

IN_MEMORY: Final = 8 << 20  # bytes; fewer need no file


@contextmanager
def row_spool(schema: pa.Schema) -> Iterator[RowSpool]:
    """Yields a spool for an output of this schema; its file has no name, so that none is left by any end."""
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    try:
        yield RowSpool(schema, file)
    finally:
        with suppress(OSError):  # of a full disk, which was reported
            file.close()


class RowSpool:
    """What the list of an output's rows holds, shard by shard as they finish."""

    def __init__(self, schema: pa.Schema, file: IO[bytes]) -> None:
        """Takes the schema of the output, and an empty file."""
        fields = [pa.field(KEY, pa.string(), False), *(schema.field(name) for name in planned_with(schema))]
        self._schema = pa.schema(fields)
        self._none = item_columns({"key": [], "version": []})  # here: the first columns of all import pandas
        self._file = file
        self._parts = dict[str, tuple[int, int]]()  # where each shard's rows begin, and their bytes
        self._end = 0

    def taken(self, shard: ReusedShard) -> ReusedShard:
        """Takes the rows of a shard that count; returns the shard with a record that holds none.

        Raises OSError where the disk is full.
        """
        items = shard.record.items
        if shard.keys is not None:
            items = items.filter(pc.is_in(items[KEY], pa.array(shard.keys, pa.string())))
        data = items.select(self._schema.names).cast(self._schema).serialize()
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            problem = f"{error.strerror}: the rows of finished shards are listed there; TMPDIR names another folder"
            raise OSError(error.errno, problem, tempfile.gettempdir()) from error
        self._parts[shard.record.name] = self._end, data.size
        self._end += data.size
        return replace(shard, record=replace(shard.record, items=self._none, measured={}))

    def table(self, shards: Iterable[str]) -> pa.Table:
        """Returns the rows of shards, by their names, in this order."""
        self._file.seek(0)
        data = pa.py_buffer(self._file.read())  # a single piece of memory goes back to the system at once
        parts = (data.slice(*self._parts[shard]) for shard in shards)
        return pa.Table.from_batches((pa.ipc.read_record_batch(part, self._schema) for part in parts), self._schema)
