"""Detections of several detectors, or of one at several scales, to one set: box voting or suppression, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from pipeline.boxes.frame import CONVENTIONS
from pipeline.data.image_sets import joined_items
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext


class Fuse(MapStage):
    """Scores are taken as they are. The nodes wired to `detections` must have the same images; the first wins ties.

    Attributes:
        rule: "vote" replaces boxes that agree by their score-weighted mean, "nms" keeps the best of them.
        iou: overlap from which boxes agree: at least so much for "vote", more than that for "nms".
        singles: "vote" only: "keep" or "drop" boxes that no other one agrees with.
        convention: whose code is followed. "retinaface" adds one pixel to every side; "plain" counts the sides as they
            are; "mogface" votes on last pixels rounded to whole ones, whose plain differences are a pixel less than
            the sides, and suppresses by the sides as they are, where an overlap of exactly `iou` counts as well.
        max_detections: at most so many boxes per image; None keeps all.
    """

    name: ClassVar[str] = "fuse"
    version: ClassVar[str] = "2"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("detections",)
    inputs: ClassVar[dict[str, Port]] = {"detections": Port(DETECTIONS, many=True)}
    output: ClassVar[pa.Schema] = DETECTIONS

    rule: Literal["vote", "nms"] = "vote"
    iou: float = Field(0.4, gt=0, le=1)
    singles: Literal["keep", "drop"] = "keep"
    convention: Literal["retinaface", "mogface", "plain"] = "retinaface"
    max_detections: int | None = Field(None, ge=1)

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError unless there is something to fuse, and for options of the other rule."""
        if len(inputs.get("detections", ())) < 2:
            raise ValueError("inputs.detections: expected two nodes or more to fuse")
        if self.rule == "nms" and self.singles == "drop":
            raise ValueError("singles is an option of rule vote")

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per image, from the lists of rows of all inputs alone.

        Raises:
            ValueError: an image is in one input and not in another.
        """
        return joined_items(ctx.inputs["detections"], "fuse detections of the same images")

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of each input at a time."""
        from pipeline.inference.fusion import Suppression, Voting, fuse

        inputs = [ShardReader(artifact) for artifact in ctx.inputs["detections"]]
        rule: Voting | Suppression = Suppression(self.iou, self.max_detections, CONVENTIONS[self.convention])
        if self.rule == "vote":
            rule = Voting(self.iou, self.singles, self.max_detections, CONVENTIONS[self.convention])

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                found = [rows.get(shard, item.key) for rows, shard in zip(inputs, item.data["shards"], strict=True)]
                failed = [f"{rows.node}: {row.error}" for rows, row in zip(inputs, found, strict=True) if row.error]
                width, height = max((row.width, row.height) for row in found)
                if failed:
                    yield Detections(item.key, width, height, error="; ".join(failed)).to_row()
                    continue
                if self.rule == "vote":
                    _require_weights([rows.node for rows in inputs], found)
                fused = fuse([row.scored for row in found], rule)
                yield Detections(item.key, width, height, fused.boxes, fused.scores, fused.landmarks).to_row()

        return work


def _require_weights(nodes: Sequence[str], found: Sequence[Detections]) -> None:
    """Raises ValueError where a score is negative: as a weight it would push a mean out of its group."""
    for node, row in zip(nodes, found, strict=True):
        if len(row.scores) and (least := float(row.scores.min())) < 0:
            raise ValueError(
                f"{node}: {row.image_id}: a score of {least:.4g}, expected 0 or more to vote with; a ranker's sums may "
                "leave 0..1, and `score_format: squash` of rerank writes them inside in the same order"
            )
