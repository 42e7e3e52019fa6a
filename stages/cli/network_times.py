"""What an image costs a network alone: seconds that workers counted, without reading, decoding and writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.engine.manifest import Artifact
from pipeline.engine.shard_record import ShardRecord

PIECES: Final = ("network_seconds", "device_wait_seconds")
"""Of `engine.measures`: launching a network, and waiting for its answers."""


def network_ms(artifacts: Sequence[Artifact]) -> float | None:
    """Returns milliseconds of an image in the networks of some outputs, one after the other.

    None without an output, and where the record of a shard is gone or no network was at work.
    """
    found = [_ms(each) for each in artifacts]
    known = [each for each in found if each is not None]
    return sum(known) if known and len(known) == len(found) else None


def _ms(artifact: Artifact) -> float | None:
    folder, names = artifact.manifest.folder, [entry.name for entry in artifact.manifest.shards]
    stored = artifact.store.read_all(f"{folder}/{name}.json" for name in names)
    records = [ShardRecord.from_json(data) if data else None for data in stored]
    if not names or None in records:
        return None
    seconds = sum(each.measured.get(piece, 0.0) for each in records if each for piece in PIECES)
    rows = sum(each.rows for each in records if each)
    return 1000 * seconds / rows if rows and seconds else None
