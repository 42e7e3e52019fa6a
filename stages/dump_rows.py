"""The rows of a dump for whoever works through it image by image: one shard is held at a time."""

from __future__ import annotations

from pipeline.data.records import Detections, read_detections
from pipeline.engine.manifest import Artifact


class DumpRows:
    """Detections by shard and image.

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
            self._rows = {row.image_id: row for row in read_detections(self._dump.table(shard))}
            self._shard = shard
        return self._rows[image_id]
