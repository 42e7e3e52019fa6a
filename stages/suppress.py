"""Candidates to detections: score cut and non-maximum suppression, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import pyarrow as pa
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pipeline.data.schemas import DETECTIONS
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext
from stages.dump_rows import DumpRows

_LATER: Final = ("top", "inclusive", "ties")


class Suppress(MapStage):
    """RetinaFace's own convention (greedy, IoU with +1, equal overlap survives); boxes are not moved.

    MogFace's is `score: 0.01, top: 5000, iou: 0.6, keep: 750, inclusive: true, ties: true` (its code has iou 0.3).

    Attributes:
        score: boxes at or below it are dropped first.
        iou: a box that overlaps a better one by more is dropped.
        keep: at most so many boxes per image; None keeps all, as the WIDER FACE script does.
        top: at most so many boxes above the score enter suppression; None lets all in.
        inclusive: an overlap of exactly `iou` is dropped as well.
        ties: boxes whose score equals that of the last one kept stay too, beyond `keep`.
    """

    name: ClassVar[str] = "suppress"
    version: ClassVar[str] = "1"
    over: ClassVar[tuple[str, ...]] = ("candidates",)
    inputs: ClassVar[dict[str, Port]] = {"candidates": Port(DETECTIONS)}
    output: ClassVar[pa.Schema] = DETECTIONS

    score: float = Field(0.02, ge=0, lt=1)
    iou: float = Field(0.4, ge=0, le=1)
    keep: int | None = Field(None, ge=1)
    top: int | None = Field(None, ge=1)
    inclusive: bool = False
    ties: bool = False

    @model_serializer(mode="wrap")
    def _identity(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out what came later and is not used: detections made before it was there stay the same ones."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name not in _LATER or value}

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per row of the dump, from its records alone."""
        return [Item(key, stamp, {"shard": shard}) for key, stamp, shard in ctx.one("candidates").stamps()]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of the dump at a time."""
        from pipeline.inference.candidates import Candidates
        from pipeline.inference.postprocess import detections

        rows = DumpRows(ctx.one("candidates"))

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                found = rows.get(item.data["shard"], item.key)
                candidates = Candidates(found.boxes, found.scores, found.landmarks)
                kept = detections(
                    candidates,
                    score=self.score,
                    iou=self.iou,
                    pre_top=self.top,
                    keep=self.keep,
                    inclusive=self.inclusive,
                    ties=self.ties,
                )
                yield replace(found, boxes=kept.boxes, scores=kept.scores, landmarks=kept.landmarks).to_row()

        return work
