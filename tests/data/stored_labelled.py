"""Labelled candidates in a store without a run, as stage `label_candidates` writes them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.data.schemas import LABELLED_CANDIDATES
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact, Manifest, ShardEntry
from pipeline.engine.shards import encode
from pipeline.engine.storage import Store


def drawn(
    image_id: str, counts: Sequence[int], seed: int = 0, width: int = 100, height: int = 80, **changes: object
) -> LabelledCandidates:
    """Returns random boxes of some detectors, scores falling within each."""
    rng = np.random.default_rng((seed, *counts))
    total = sum(counts)
    corner = rng.uniform(0, 0.7, (total, 2)) * (width, height)
    boxes = np.concatenate([corner, corner + rng.uniform(2, 30, (total, 2))], axis=1).astype(np.float32)
    scores = np.concatenate([np.zeros(0), *(np.sort(rng.random(count))[::-1] for count in counts)]).astype(np.float32)
    overlaps = (rng.random(total) * (rng.random(total) < 0.4)).astype(np.float32)
    made = LabelledCandidates(image_id, f"{image_id}.png", width, height, tuple(counts), boxes, scores, overlaps)
    return replace(made, **changes)  # type: ignore[arg-type]


def stored(folder: Path, *shards: Sequence[LabelledCandidates], row_group: int | None = 1) -> Artifact:
    """Returns an output of one shard per argument."""
    store, entries = Store(str(folder)), []
    for number, rows in enumerate(shards):
        data = encode(pa.Table.from_pylist([each.to_row() for each in rows], schema=LABELLED_CANDIDATES), row_group)
        store.write(f"join/recipe/shard-{number}.parquet", data)
        entries.append(ShardEntry(f"shard-{number}", len(data), len(rows), hash_bytes(data)))
    return Artifact(store, Manifest("join", "f", "recipe", {"params": {}}, "image_id", tuple(entries)))
