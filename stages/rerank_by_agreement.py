"""The boxes of a union in the order of what all its candidates say of them; boxes stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.data.image_sets import joined_items, unusable
from pipeline.data.records import WITHOUT_LANDMARKS, Detections
from pipeline.data.schemas import CHECKPOINT, DETECTIONS
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext
from pipeline.inference.worker import naming_weights, planned_weights, set_threads
from pipeline.models.checkpoint import Checkpoint
from stages.label_agreement import require_each_once
from stages.network_stage import require_weights


class RerankByAgreement(MapStage):
    """Scores of `detections` are refined by a ranker of `train_agreement`; boxes at or below its `score` are left out.

    `detections` are the union of the canvases or detectors wired to `candidates`, made in the same way as in its
    training, and `candidates` are as many as there. No image is read. Weights come from the node's `path`, or from the
    node wired to `checkpoint`.

    Attributes:
        max_detections: at most so many boxes per image are left; None keeps all.
    """

    name: ClassVar[str] = "rerank_by_agreement"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("detections", "candidates")
    inputs: ClassVar[dict[str, Port]] = {
        "detections": Port(DETECTIONS),
        "candidates": Port(DETECTIONS, many=True),
        "checkpoint": Port(CHECKPOINT, optional=True),
    }
    output: ClassVar[pa.Schema] = DETECTIONS

    max_detections: int | None = Field(None, ge=1)

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError unless weights come from one place, `path` or `checkpoint`, and each dump is wired once."""
        require_weights(path, inputs)
        require_each_once(inputs)

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns the content hash of the weights file, if there is one; raises ValueError where it does not fit."""
        if not path:
            return {}
        weights = Checkpoint(path)
        weights.agreement()
        return {"weights": weights.content_hash}

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per image, from the lists of rows of all inputs alone.

        Raises:
            ValueError: an image is in one input and not in another.
        """
        wired = (ctx.one("detections"), *ctx.inputs["candidates"])
        return joined_items(wired, "order the boxes of the candidates they were made of")

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of each input at a time.

        Raises:
            ValueError: weights of another network, or of another number of canvases. The worker raises it for scores
                outside 0..1.
        """
        set_threads(ctx)
        from pipeline.models.rankers.agreement import open_agreement

        union = ShardReader(ctx.one("detections"))
        dumps = [ShardReader(artifact, WITHOUT_LANDMARKS) for artifact in ctx.inputs["candidates"]]
        with naming_weights(ctx):
            ranker = open_agreement(planned_weights(ctx))
            ranker.require_sets(len(dumps))

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                shard, *others = item.data["shards"]
                boxes = union.get(shard, item.key)
                found = [dump.get(each, item.key) for dump, each in zip(dumps, others, strict=True)]
                named = dict(zip((dump.node for dump in dumps), found, strict=True))
                if problems := unusable(union.node, boxes.error, (boxes.width, boxes.height), named):
                    width, height = max((row.width, row.height) for row in (boxes, *found))
                    yield Detections(item.key, width, height, error="; ".join(problems)).to_row()
                    continue
                kept = boxes.scored.take(boxes.scores > ranker.agreement.score)
                try:
                    refined = ranker.scores(kept.boxes, kept.scores, [(row.boxes, row.scores) for row in found])
                except ValueError as mistake:  # a ranker or scores that no image goes with
                    raise ValueError(f"{union.node}: {item.key}: {mistake}") from None
                order = np.argsort(-refined, kind="stable")[: self.max_detections]
                left = kept.take(order)
                yield replace(boxes, boxes=left.boxes, scores=refined[order], landmarks=left.landmarks).to_row()

        return work
