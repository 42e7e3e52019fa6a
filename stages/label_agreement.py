"""Samples, the boxes of a union and the candidates behind them to training rows of a ranker that reads agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.boxes.agreement import Agreement
from pipeline.boxes.matching import first_hits, match_faces
from pipeline.data.image_sets import joined_items, unusable
from pipeline.data.labelled_agreement import LabelledAgreement
from pipeline.data.records import WITHOUT_LANDMARKS, Detections, Sample
from pipeline.data.schemas import DETECTIONS, LABELLED_AGREEMENT, LEVELS, SAMPLES
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext


class LabelAgreement(MapStage):
    """One row per sample: the boxes wired to `detections`, what all `candidates` say of them, and which are hits.

    `detections` are the union of the canvases or detectors wired to `candidates`, suppressed and voted, with scores in
    0..1; `candidates` are what these found, before suppression. A hit is the best box that overlaps a face by at least
    `face_iou` (widths and heights one larger, as WIDER FACE's protocol counts). The trained ranker keeps `score`,
    `candidate_score` and the two overlaps.

    Attributes:
        score: boxes at or below it are left out, here and in the ranker's output.
        candidate_score: candidates at or below it support no box.
        iou: least overlap at which a candidate supports a box.
        close_iou: least overlap at which it counts as close as well.
        face_iou: least overlap of a hit with its face.
    """

    name: ClassVar[str] = "label_agreement"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples", "detections", "candidates")
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "detections": Port(DETECTIONS),
        "candidates": Port(DETECTIONS, many=True),
    }
    output: ClassVar[pa.Schema] = LABELLED_AGREEMENT

    score: float = Field(0.02, ge=0, lt=1)
    candidate_score: float = Field(0.01, ge=0, lt=1)
    iou: float = Field(0.4, gt=0, le=1)
    close_iou: float = Field(0.7, gt=0, le=1)
    face_iou: float = Field(0.5, gt=0, le=1)

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where the two overlaps are in the wrong order, or a node's candidates would count twice."""
        require_each_once(inputs)
        if self.close_iou < self.iou:
            raise ValueError(f"close_iou is {self.close_iou}, expected at least iou, {self.iou}")

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample, from the lists of rows of all inputs alone.

        Raises:
            ValueError: an image is among the samples and not in a dump, or the other way round.
        """
        wired = (ctx.one("samples"), ctx.one("detections"), *ctx.inputs["candidates"])
        return joined_items(wired, "label dumps of these very samples")

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of each input at a time; ValueError for scores outside 0..1."""
        samples = ShardReader(ctx.one("samples"))
        dumps = [ShardReader(each, WITHOUT_LANDMARKS) for each in (ctx.one("detections"), *ctx.inputs["candidates"])]

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                first, *others = item.data["shards"]
                sample = Sample.from_row(samples.row(first, item.key).to_pylist()[0])
                union, *sets = [dump.get(shard, item.key) for dump, shard in zip(dumps, others, strict=True)]
                found = dict(zip((dump.node for dump in dumps), (union, *sets), strict=True))
                if problems := unusable(samples.node, sample.error, (sample.width, sample.height), found):
                    error = "; ".join(problems)
                    yield LabelledAgreement(sample.image_id, sample.width, sample.height, error=error).to_row()
                    continue
                try:
                    yield self._labelled(sample, union, sets).to_row()
                except ValueError as mistake:  # scores that no vote gives
                    raise ValueError(f"{dumps[0].node}: {item.key}: {mistake}") from None

        return work

    @property
    def agreement(self) -> Agreement:
        """How the numbers of a box are made."""
        return agreement_of(self.model_dump())

    def _labelled(self, sample: Sample, union: Detections, sets: Sequence[Detections]) -> LabelledAgreement:
        kept = union.scored.take(union.scores > self.score)
        faces, image_N = sample.boxes.astype(np.float64), np.zeros(len(kept), np.int64)
        face_N = match_faces(kept.boxes, image_N, faces, np.zeros(len(faces), np.int64), self.face_iou)
        levels = [sample.levels.get(level, np.ones(len(faces), bool)) for level in LEVELS]
        return LabelledAgreement(
            sample.image_id,
            sample.width,
            sample.height,
            self.agreement.features(kept.boxes, kept.scores, [(each.boxes, each.scores) for each in sets]),
            first_hits(face_N, len(faces)),
            np.stack([np.append(level, True)[face_N] for level in levels]),  # -1, no face, is the last entry
            tuple(int(level.sum()) for level in levels),
        )


def require_each_once(inputs: Mapping[str, tuple[str, ...]]) -> None:
    """Raises ValueError where a node is wired to `candidates` twice: it would agree with itself."""
    nodes = inputs.get("candidates", ())
    if len(set(nodes)) != len(nodes):
        raise ValueError(f"inputs.candidates: expected each node once, found {', '.join(nodes)}")


def agreement_of(params: Mapping[str, float]) -> Agreement:
    """Returns how the numbers of a box are made, of the parameters of this stage."""
    return Agreement(params["score"], params["candidate_score"], params["iou"], params["close_iou"])
