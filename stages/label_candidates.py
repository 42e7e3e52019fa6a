"""Samples and dumps to what a ranker learns from: the boxes of all detectors, each with its overlap, image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.image_sets import require_equal_images
from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.data.records import WITHOUT_LANDMARKS, Detections, Float32, read_detections
from pipeline.data.schemas import CORNERS, DETECTIONS, LABELLED_CANDIDATES, SAMPLES
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.fingerprint import hash_json
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext

_FACES = ("image_id", "path", "width", "height", *CORNERS, "error")


class LabelCandidates(MapStage):
    """One row per sample: what the nodes wired to `candidates` found in it, and the IoU with the closest face.

    The dumps must have the images of the samples, all and no others. A worker holds one shard of each input, whatever
    the size of the set.

    Attributes:
        max_candidates: at most so many boxes per detector, the best ones; a ranker's table has 5,000 rows.
    """

    name: ClassVar[str] = "label_candidates"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples", "candidates")
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "candidates": Port(DETECTIONS, many=True)}
    output: ClassVar[pa.Schema] = LABELLED_CANDIDATES

    max_candidates: int = Field(5000, ge=1)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample, from the records of all inputs alone.

        Raises:
            ValueError: an image is among the samples and not in a dump, or the other way round.
        """
        samples = ctx.one("samples")
        item_versions, shards = dict[str, list[str]](), dict[str, list[str]]()
        for key, version, shard in samples.item_versions():
            item_versions[key], shards[key] = [version], [shard]
        for dump in ctx.inputs["candidates"]:
            dataset_paths = {key: (version, shard) for key, version, shard in dump.item_versions()}
            require_equal_images(samples.node, shards, dump.node, dataset_paths, "join dumps of these very samples")
            for key, (version, shard) in dataset_paths.items():
                item_versions[key].append(version)
                shards[key].append(shard)
        # Most images share their shards with others: one tuple for all of them.
        known: dict[tuple[str, ...], dict[str, Any]] = {}
        return [
            Item(key, hash_json(parts, size=8), known.setdefault(where := tuple(shards.pop(key)), {"shards": where}))
            for key, parts in item_versions.items()
        ]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of each input at a time."""
        samples = ShardReader(ctx.one("samples"), _FACES)
        dumps = [ShardReader(artifact, WITHOUT_LANDMARKS) for artifact in ctx.inputs["candidates"]]

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                where = item.data["shards"]
                sample = samples.row(where[0], item.key)
                tables = [dump.row(shard, item.key) for dump, shard in zip(dumps, where[1:], strict=True)]
                yield self._joined(samples.node, sample, [dump.node for dump in dumps], tables).to_row()

        return work

    def _joined(
        self, samples: str, sample: pa.Table, nodes: Sequence[str], tables: Sequence[pa.Table]
    ) -> LabelledCandidates:
        (facts,) = sample.select(["image_id", "path", "width", "height", "error"]).to_pylist()
        error = facts.pop("error")
        problems = [] if error is None else [f"{samples}: {error}"]
        found: list[Detections] = []
        for node, table in zip(nodes, tables, strict=True):
            try:
                (row,) = read_detections(table)
            except ValueError as mistake:  # numbers that are none, scores that rise: no dump of ours
                problems.append(f"{node}: {mistake}")
                continue
            found.append(row)
            if row.error is not None:
                problems.append(f"{node}: {row.error}")
            elif error is None and (row.width, row.height) != (facts["width"], facts["height"]):
                sizes = f"{row.width} x {row.height}, {samples} has {facts['width']} x {facts['height']}"
                problems.append(f"{node}: its boxes are of an image of {sizes}")
        if problems:
            return LabelledCandidates(**facts, valid=(0,) * len(nodes), error="; ".join(problems))
        return _ranking(
            facts,
            [(row.boxes[: self.max_candidates], row.scores[: self.max_candidates]) for row in found],
            _faces(sample),
        )


def _ranking(facts: dict[str, Any], found: Sequence[tuple[Float32, Float32]], faces: Float32) -> LabelledCandidates:
    return LabelledCandidates(
        **facts,
        valid=tuple(len(scores) for _, scores in found),
        boxes=np.concatenate([boxes for boxes, _ in found]),
        scores=np.concatenate([scores for _, scores in found]),
        overlaps=np.concatenate([closest_overlap(boxes, faces) for boxes, _ in found]),
    )


def _faces(sample: pa.Table) -> Float32:
    """Returns float32 [F, 4] of a table of one sample."""
    columns = [sample.column(name).combine_chunks().flatten().to_numpy() for name in CORNERS]
    return np.stack(columns, axis=1).astype(np.float32)
