"""Candidates before and after re-ranking: the share of their pairs in the right order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.image_sets import require_equal_images, require_known_images
from pipeline.data.labelled_faces import ImageFaces, faces_of
from pipeline.data.records import WITHOUT_LANDMARKS, Detections
from pipeline.data.schemas import DETECTIONS, RANKING_ACCURACY, SAMPLES
from pipeline.data.shard_reader import rows_of
from pipeline.engine.manifest import SHARD, Artifact
from pipeline.engine.shard_record import KEY
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.ranking_accuracy import PairCounts, count_pairs, places_of


class RankingAccuracy(WholeStage):
    """One row per node wired to `candidates`, printed as a table. The first one's order is the detector's.

    The others must hold the same boxes, unsuppressed, in their own order: `rerank` and `oracle` with `iou: null`. Pairs
    are grouped by their distance in the detector's order, the same pairs for every row. Images that are an error in one
    of them are left out of all. Memory: the faces of the set, and of each node the shards of one of the first's.

    Attributes:
        pairs: n, pairs up to n places apart are counted apart from all pairs.
        pixel_inclusive: as `oracle`; False is the truth that a ranker is trained with.
    """

    name: ClassVar[str] = "ranking_accuracy"
    version: ClassVar[str] = "2"
    names_in_identity: ClassVar[bool] = True
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "candidates": Port(DETECTIONS, many=True)}
    output: ClassVar[pa.Schema] = RANKING_ACCURACY

    pairs: int = Field(10, ge=1)
    pixel_inclusive: bool = False

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where a node is wired twice: two rows would be equal."""
        nodes = inputs.get("candidates", ())
        if len(set(nodes)) != len(nodes):
            raise ValueError(f"inputs.candidates: expected each node once, found {', '.join(nodes)}")

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row per node, in the order they are wired.

        Raises:
            ValueError: nodes of different images or boxes, images that the samples do not have, or of another size.
        """
        nodes = ctx.inputs["candidates"]
        first = nodes[0]
        require_known_images(first, ctx.one("samples"))
        tasks = _tasks(faces_of(ctx.one("samples")), _shards(nodes))
        parts = ctx.fan_out(partial(_count, nodes, self.pairs, self.pixel_inclusive), tasks)
        for place, node in enumerate(nodes):
            counts = sum((part[place] for part in parts), PairCounts.zero(self.pairs))
            yield _row(node.node, counts, sum(entry.rows for entry in first.manifest.shards) - counts.images)

    def notes(self, output: Artifact) -> list[str]:
        """Returns how many images were left out."""
        left_out = next((row["left_out"] for row in output.rows(["left_out"])), 0)
        return [f"{left_out} images with an error in one of the inputs are left out"] if left_out else []

    def review(self, ctx: StageContext, output: Artifact) -> Sequence[str]:
        """Returns a line where nothing can be in the right order or the wrong one."""
        empty = ", ".join(row["name"] for row in output.rows(["name", "all_untied"]) if not row["all_untied"])
        line = f"no two boxes of an image differ in their overlap with faces: nothing to order in {empty}"
        return [line] if empty else []

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the table as Markdown."""
        return {f"{node}.md": self._markdown}

    def _markdown(self, rows: Sequence[Row]) -> bytes:
        """Returns the table: accuracies in per cent, of neighbours, of pairs 1..n apart, of all pairs."""
        apart = len(rows[0]["pairs"]) if rows else self.pairs
        left_out = ["left out"] * any(row["left_out"] for row in rows)
        shown = ["right order of untied pairs, %", "neighbours", f"1 to {apart} apart", "all", "untied of all, %"]
        head = [*shown, "images", *left_out]
        lines = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
        for row in rows:
            untied = row["all_untied"] / row["all_pairs"] if row["all_pairs"] else math.nan
            shares = map(_percent, (row["neighbours"], row["near"], row["every"], untied))
            cells = [row["name"], *shares, str(row["images"]), *(str(row["left_out"]) for _ in left_out)]
            lines.append(f"| {' | '.join(cells)} |")
        return "".join(f"{line}\n" for line in lines).encode()


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.2f}"


def _row(name: str, counts: PairCounts, left_out: int) -> Row:
    shares = {"neighbours": counts.neighbours, "near": counts.near, "every": counts.every}
    return {"name": name, **asdict(counts), **shares, "left_out": left_out}


def _shards(nodes: Sequence[Artifact]) -> tuple[dict[str, str], ...]:
    """Returns per node image_id -> shard.

    Raises:
        ValueError: a node has other images than the first one.
    """
    listings = [node.listing() for node in nodes]
    found = tuple(dict(zip(rows[KEY].to_pylist(), rows[SHARD].to_pylist(), strict=True)) for rows in listings)
    for node, shards in zip(nodes, found, strict=True):
        require_equal_images(nodes[0].node, found[0], node.node, shards, "compare dumps of the same images")
    return found


@dataclass(frozen=True)
class _Task:
    """The images of one shard of the first node: their faces, and per node the shard that holds each of them."""

    faces: Mapping[str, ImageFaces]
    shards: tuple[Mapping[str, str], ...]


def _tasks(faces: Mapping[str, ImageFaces], shards: tuple[Mapping[str, str], ...]) -> list[_Task]:
    """Returns one task per shard of the first node, with what is its own: every image is in one of them."""
    images: dict[str, list[str]] = {}
    for image_id, shard in shards[0].items():
        images.setdefault(shard, []).append(image_id)
    return [
        _Task({key: faces[key] for key in keys}, tuple({key: each[key] for key in keys} for each in shards))
        for keys in images.values()
    ]


def _count(nodes: Sequence[Artifact], offsets: int, pixel_inclusive: bool, task: _Task) -> list[PairCounts]:
    """Returns the counts of each node over the images of a task."""
    found = [_rows(node, shards) for node, shards in zip(nodes, task.shards, strict=True)]
    counts = [PairCounts.zero(offsets) for _ in nodes]
    for image_id, first in found[0].items():
        rows = [each[image_id] for each in found]
        faces = task.faces[image_id]
        if faces.error or any(row.error for row in rows):
            continue
        if refusal := faces.mismatch(first):
            raise ValueError(f"{nodes[0].node}: {image_id}: {refusal}")
        truth_M = closest_overlap(first.boxes.astype(np.float64), faces.boxes, pixel_inclusive)
        for place, (node, row) in enumerate(zip(nodes, rows, strict=True)):
            try:
                place_M = places_of(first.boxes, row.boxes)
            except ValueError as error:
                advice = "wire what is not suppressed (iou: null)"
                raise ValueError(f"{node.node}: {row.image_id}: {error} as in {nodes[0].node}; {advice}") from None
            counts[place] = counts[place] + count_pairs(truth_M, place_M, offsets)
    return counts


def _rows(node: Artifact, shards: Mapping[str, str]) -> dict[str, Detections]:
    wanted = pa.array(list(shards), pa.string())
    tables = (node.table(each, WITHOUT_LANDMARKS) for each in dict.fromkeys(shards.values()))
    chosen = (table.filter(pc.is_in(table["image_id"], wanted)) for table in tables)
    return {row.image_id: row for table in chosen for row in rows_of(table, node.node)}
