"""The rows of a stored output, image by image: one shard is held at a time."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.data.records import Detections, read_detections
from pipeline.engine.manifest import Artifact


def rows_of(table: pa.Table, node: str) -> Iterator[Detections]:
    """Yields the records of a table of `schemas.DETECTIONS`; an invalid row becomes a record with an error.

    A row is invalid where its numbers are not finite or its scores rise; ``node``, which wrote it, is in the message.
    """
    for number in range(len(table)):
        row = table.slice(number, 1)
        try:
            yield from read_detections(row)
        except ValueError as mistake:
            image_id, width, height = (row[name][0].as_py() for name in ("image_id", "width", "height"))
            yield Detections(image_id, width, height, error=f"row of {node} cannot be used: {mistake}")


class ShardReader:
    """Rows by shard and image.

    The last shard asked for stays, from one call of a worker to its next too: a node's own shards may be smaller than
    those of its input.

    Attributes:
        node: that wrote the rows.
    """

    def __init__(self, artifact: Artifact, columns: Sequence[str] | None = None) -> None:
        """Reads nothing yet; of the columns only those named, ``image_id`` among them, or all."""
        self.node = artifact.node
        self._artifact, self._columns = artifact, columns
        self._shard = ""
        self._table: pa.Table | None = None
        self._numbers: dict[str, int] = {}

    def row(self, shard: str, image_id: str) -> pa.Table:
        """Returns a table of an image's row; raises KeyError where the shard has no such image."""
        if shard != self._shard or self._table is None:
            self._table = None  # before the next one is read: never two at a time
            self._table = self._artifact.table(shard, self._columns)
            self._numbers = {key: row for row, key in enumerate(self._table["image_id"].to_pylist())}
            self._shard = shard
        return self._table.slice(self._numbers[image_id], 1)

    def get(self, shard: str, image_id: str) -> Detections:
        """Returns an image's detections, with an error where the row is invalid; raises KeyError as `row` does."""
        (found,) = rows_of(self.row(shard, image_id), self.node)
        return found
