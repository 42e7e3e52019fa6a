"""The rows of a dump for whoever works through it image by image: one shard is held at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pipeline.data.records import Detections, read_detections
from pipeline.engine.manifest import Artifact


def rows_of(table: pa.Table, node: str) -> Iterator[Detections]:
    """Yields the records of a table of `schemas.DETECTIONS`; one that is none of ours becomes one with an error.

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
    """Detections by shard and image; a row that cannot be used is one with an error.

    The last shard asked for stays, from one call of a worker to its next too: a node's own shards may be smaller than
    those of the dump.

    Attributes:
        node: that made the dump.
    """

    def __init__(self, dump: Artifact) -> None:
        """Reads nothing yet."""
        self.node = dump.node
        self._dump = dump
        self._shard = ""
        self._rows: dict[str, Detections] = {}

    def get(self, shard: str, image_id: str) -> Detections:
        """Returns an image's row; raises KeyError where the shard has no such image."""
        if shard != self._shard:
            self._rows = {}  # before the next one is read: never two at a time
            self._rows = {row.image_id: row for row in rows_of(self._dump.table(shard), self.node)}
            self._shard = shard
        return self._rows[image_id]
