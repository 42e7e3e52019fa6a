"""Candidates to detections: score cut and non-maximum suppression, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from pipeline.boxes.frame import CONVENTIONS
from pipeline.data.schemas import DETECTIONS
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.manifest import SHARD
from pipeline.engine.shard_record import KEY, VERSION
from pipeline.engine.stage import Item, Items, MapStage, Port, Row, StageContext


class Suppress(MapStage):
    """Greedy suppression; boxes are not moved.

    MogFace's is `{score: 0.01, max_before_nms: 5000, iou: 0.6, max_detections: 750, convention: mogface}`; its code
    has iou 0.3.

    Attributes:
        score: boxes at or below it are dropped first.
        iou: a box that overlaps a better one by more is dropped.
        max_detections: at most so many boxes per image; None keeps all, as RetinaFace's WIDER FACE script does.
        max_before_nms: at most so many boxes above the score enter suppression; None lets all in.
        convention: whose code is followed. "retinaface" adds one pixel to every side, and an overlap of exactly `iou`
            survives; "mogface" counts the sides as they are, drops such an overlap, and lets boxes as good as the last
            one stay beyond `max_detections`; "plain" counts the sides as they are, and such an overlap survives.
    """

    name: ClassVar[str] = "suppress"
    version: ClassVar[str] = "2"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("candidates",)
    inputs: ClassVar[dict[str, Port]] = {"candidates": Port(DETECTIONS)}
    output: ClassVar[pa.Schema] = DETECTIONS

    score: float = Field(0.02, ge=0, lt=1)
    iou: float = Field(0.4, ge=0, le=1)
    max_detections: int | None = Field(None, ge=1)
    max_before_nms: int | None = Field(None, ge=1)
    convention: Literal["retinaface", "mogface", "plain"] = "retinaface"

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per row of the dump, from the list of its rows alone."""
        rows = ctx.one("candidates").listing()
        return Items(rows[KEY], rows[VERSION], rows.select([SHARD]))

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of the dump at a time."""
        from pipeline.inference.postprocess import detections

        rows = ShardReader(ctx.one("candidates"))

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                found = rows.get(item.data["shard"], item.key)
                kept = detections(
                    found.scored,
                    score=self.score,
                    iou=self.iou,
                    max_before_nms=self.max_before_nms,
                    max_detections=self.max_detections,
                    convention=CONVENTIONS[self.convention],
                )
                yield replace(found, boxes=kept.boxes, scores=kept.scores, landmarks=kept.landmarks).to_row()

        return work
