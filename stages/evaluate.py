"""Detections against faces: WIDER FACE AP, counted shard by shard and added up to the same bits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Sample, read_detections
from pipeline.data.schemas import AP, DETECTIONS, LEVELS, SAMPLES
from pipeline.data.wider_ground_truth import WiderGroundTruth, ground_truth_of
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.false_alarms import FalseAlarms, count_false_alarms
from pipeline.evaluation.wider_ap import ApCounts, ScoreRange, count_images, score_range
from pipeline.evaluation.wider_result import WiderResult, result_of


class Evaluate(WholeStage):
    """The protocol of the benchmark's own tool. Memory: the faces of the set, 20 bytes each, and one shard of boxes.

    Attributes:
        coordinates: "float" evaluates boxes as they are; "whole" truncates corners and sizes to whole pixels first,
            as the published text files are.
        false_alarms: raw score at and above which boxes on no face are counted (the NFA of MogFace's Table 5, see
            `count_false_alarms`; 0.5 is a good one); None does not count them.
    """

    name: ClassVar[str] = "evaluate"
    version: ClassVar[str] = "1"
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "detections": Port(DETECTIONS)}
    output: ClassVar[pa.Schema] = AP

    coordinates: Literal["float", "whole"] = "float"
    false_alarms: float | None = Field(None, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _identity(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out what came later and is not used: an evaluation made before it was there stays the same one."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name != "false_alarms" or value is not None}

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row per subset.

        Raises:
            ValueError: if the detections are of images that the samples do not have.
        """
        detections = ctx.one("detections")
        truth = ground_truth_of(Sample.from_row(row) for row in ctx.one("samples").rows())
        shards = [entry.name for entry in detections.manifest.shards]
        found = {key for table in detections.tables(["image_id"]) for key in table["image_id"].to_pylist()}
        unknown = sorted(found - set(truth.image_ids))
        if unknown:
            raise ValueError(
                f"{detections.node}: {len(unknown)} of {len(found)} images are not in {ctx.one('samples').node}: "
                f"{', '.join(unknown[:3])}; evaluate a dump on the dataset it was made of"
            )
        whole = self.coordinates == "whole"
        ranges = ctx.fan_out(_Range(detections), shards)
        scores = reduce(or_, ranges, ScoreRange.empty())
        results = ctx.fan_out(_Count(detections, truth, scores, whole, self.false_alarms), shards)
        parts = [part for part, _ in results]
        # Images without a row in the detections still have faces that count.
        absent = truth.restrict(set(truth.image_ids) - found)
        parts.append(count_images(PredictionSet.of([]), absent, scores))
        counts = {level: sum((part[level] for part in parts), ApCounts.zero()) for level in LEVELS}
        result = result_of(counts, scores, protocol={"coordinates": self.coordinates})
        if self.false_alarms is not None:
            alarms = sum((each for _, each in results if each), FalseAlarms.none(self.false_alarms))
            result = replace(result, false_alarms=alarms)
        yield from (_row(result, level, scores) for level in counts)


def _row(result: WiderResult, level: str, scores: ScoreRange) -> Row:
    counts, alarms = result.counts[level], result.false_alarms
    return {
        "subset": level,
        "ap": result.ap[level],
        "faces": counts.faces,
        "images": counts.images,
        "boxes": counts.boxes,
        "proposals": counts.proposals,
        "matches": counts.matches,
        "score_min": scores.low,
        "score_max": scores.high,
        "protocol": json.dumps(dict(result.protocol), sort_keys=True),
        "alarm_score": None if alarms is None else alarms.score,
        "alarms": None if alarms is None else alarms.alarms,
        "found": None if alarms is None else alarms.found[level],
    }


@dataclass(frozen=True)
class _Range:
    """Shard name -> range of its scores."""

    detections: Artifact

    def __call__(self, shard: str) -> ScoreRange:
        column = self.detections.table(shard, ["score"])["score"].combine_chunks()
        return score_range(column.flatten().to_numpy(zero_copy_only=False))


@dataclass(frozen=True)
class _Count:
    """Shard name -> counts of its images, and their false alarms where a score is given."""

    detections: Artifact
    truth: WiderGroundTruth
    scores: ScoreRange
    whole: bool
    score: float | None

    def __call__(self, shard: str) -> tuple[dict[str, ApCounts], FalseAlarms | None]:
        rows = list(read_detections(self.detections.table(shard)))
        if self.whole:
            rows = [replace(row, boxes=np.trunc(row.boxes)) for row in rows]
        truth = self.truth.restrict({row.image_id for row in rows})
        predictions = PredictionSet.of(rows)
        alarms = None if self.score is None else count_false_alarms(predictions, truth, self.score)
        return count_images(predictions, truth, self.scores), alarms
