"""Samples and dumps to training rows of a ranker: per image the boxes of all detectors with their IoU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.image_sets import joined_items, unusable
from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.data.records import WITHOUT_LANDMARKS, Detections, read_detections
from pipeline.data.schemas import CORNERS, DETECTIONS, LABELLED_CANDIDATES, SAMPLES
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext

_FACES = ("image_id", "path", "width", "height", *CORNERS, "error")


class LabelCandidates(MapStage):
    """One row per sample: what the nodes wired to `candidates` found in it, and the IoU with the closest face.

    The dumps must have exactly the images of the samples. A worker holds one shard of each input.

    Attributes:
        max_candidates: at most so many boxes per detector, the best ones; a ranker's table has 5,000 rows.
    """

    name: ClassVar[str] = "label_candidates"
    version: ClassVar[str] = "2"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples", "candidates")
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "candidates": Port(DETECTIONS, many=True)}
    output: ClassVar[pa.Schema] = LABELLED_CANDIDATES

    max_candidates: int = Field(5000, ge=1)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample, from the lists of rows of all inputs alone.

        Raises:
            ValueError: an image is among the samples and not in a dump, or the other way round.
        """
        return joined_items((ctx.one("samples"), *ctx.inputs["candidates"]), "join dumps of these very samples")

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of each input at a time."""
        samples = ShardReader(ctx.one("samples"), _FACES)
        dumps = [ShardReader(artifact, WITHOUT_LANDMARKS) for artifact in ctx.inputs["candidates"]]

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                first, *others = item.data["shards"]
                sample = samples.row(first, item.key)
                tables = {dump.node: dump.row(shard, item.key) for dump, shard in zip(dumps, others, strict=True)}
                yield self._labelled(samples.node, sample, tables).to_row()

        return work

    def _labelled(self, samples: str, sample: pa.Table, tables: Mapping[str, pa.Table]) -> LabelledCandidates:
        (facts,) = sample.select(["image_id", "path", "width", "height", "error"]).to_pylist()
        error = facts.pop("error")
        named = {node: _row(table) for node, table in tables.items()}
        if problems := unusable(samples, error, (facts["width"], facts["height"]), named):
            return LabelledCandidates(**facts, valid=(0,) * len(tables), error="; ".join(problems))
        found = named.values()
        faces = np.stack([sample[name].combine_chunks().flatten().to_numpy() for name in CORNERS], 1).astype(np.float32)
        best = slice(self.max_candidates)
        return LabelledCandidates(
            **facts,
            valid=tuple(len(row.scores[best]) for row in found),
            boxes=np.concatenate([row.boxes[best] for row in found]),
            scores=np.concatenate([row.scores[best] for row in found]),
            overlaps=np.concatenate([closest_overlap(row.boxes[best], faces) for row in found]),
        )


def _row(table: pa.Table) -> Detections:
    try:
        (row,) = read_detections(table)
    except ValueError as mistake:  # numbers that are not finite, or rising scores: a foreign dump
        return Detections(table["image_id"][0].as_py(), 0, 0, error=str(mistake))
    return row
