"""Rows of an input by shard and image, with one shard in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.data.records import Detections, read_detections
from pipeline.engine.manifest import Artifact


def rows_of(table: pa.Table, node: str) -> Iterator[Detections]:
    """Yields the records of a table of `schemas.DETECTIONS`; an invalid one becomes an error row.

    Args:
        table: rows whose numbers may not be finite, or whose scores may rise.
        node: that wrote them, for the message.
    """
    for place in range(len(table)):
        part = table.slice(place, 1)
        try:
            yield from read_detections(part)
        except ValueError as mistake:
            image_id, width, height = (part[name][0].as_py() for name in ("image_id", "width", "height"))
            yield Detections(image_id, width, height, error=f"row of {node} cannot be used: {mistake}")


class ShardReader:
    """Rows by shard and image.

    The last shard stays in memory, from one call of a worker to its next too: a node's own shards may be smaller than
    those of its input.

    Attributes:
        node: that made the rows.
    """

    def __init__(self, artifact: Artifact, columns: Sequence[str] | None = None) -> None:
        """Reads nothing yet; `columns` None reads all of them."""
        self.node = artifact.node
        self._artifact, self._columns = artifact, columns
        self._shard = ""
        self._table: pa.Table | None = None
        self._row_of: dict[str, int] = {}

    def table(self, shard: str, image_id: str) -> pa.Table:
        """Returns an image's row as a table; raises KeyError where the shard has no such image."""
        if shard != self._shard or self._table is None:
            self._table = None  # before the next one is read: never two at a time
            self._table = self._artifact.table(shard, self._columns)
            self._row_of = {key: row for row, key in enumerate(self._table["image_id"].to_pylist())}
            self._shard = shard
        return self._table.slice(self._row_of[image_id], 1)

    def get(self, shard: str, image_id: str) -> Detections:
        """Returns an image's detections; a row that cannot be used has an error."""
        (row,) = rows_of(self.table(shard, image_id), self.node)
        return row
