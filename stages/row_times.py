"""How long a row of a finished output took, as the records of its shards say."""

from __future__ import annotations

from pipeline.engine.manifest import Artifact
from pipeline.engine.shard_record import ShardRecord


def milliseconds_per_row(artifact: Artifact) -> float | None:
    """Returns the wall time of one row in one worker, over all shards that rows of this output lie in.

    Of shards that several runs have computed as well: a manifest alone knows only what its own run added. None where no
    shard has a record, or none has a row.
    """
    store, manifest = artifact.store, artifact.manifest
    files = (store.read_or_none(f"{manifest.folder}/{entry.name}.json") for entry in manifest.shards)
    records = [record for data in files if data is not None and (record := ShardRecord.from_json(data)) is not None]
    rows = sum(record.rows for record in records)
    return 1000 * sum(record.seconds for record in records) / rows if rows else None


def row_milliseconds(candidates: Artifact | None, detections: Artifact) -> tuple[float | None, float | None]:
    """Returns the milliseconds of one image to its candidates, and from them to its detections.

    A detector of several looks gives final detections: wired as both, its time is all its own and the second is None.
    """
    after = candidates is None or candidates.manifest.content_hash != detections.manifest.content_hash
    seen = None if candidates is None else milliseconds_per_row(candidates)
    return seen, milliseconds_per_row(detections) if after else None
