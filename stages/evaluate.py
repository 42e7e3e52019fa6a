"""Detections against faces: WIDER FACE AP, counted shard by shard and added up to the same bits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial, reduce
from operator import or_
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, ground_truth_of
from pipeline.data.image_sets import require_known_images
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Sample, read_detections
from pipeline.data.schemas import DETECTIONS, LEVELS, SAMPLES
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.metrics import Counted, add_counted, ap_values, count_metrics
from pipeline.evaluation.missing_answers import MissingAnswers, notes_of
from pipeline.evaluation.result_schemas import AP
from pipeline.evaluation.wider_ap import ApCounts, ScoreRange, count_images, score_range
from pipeline.evaluation.wider_result import WiderResult, result_of, subsets_without_faces
from stages.metric_parameters import asked_metrics, with_metrics


@with_metrics
class Evaluate(WholeStage):
    """Protocol of the benchmark's own tool. Memory: the faces of the set, 20 bytes each, and one shard of boxes.

    What else is counted, each at a setting that is a parameter of its name, are `METRICS`.

    Attributes:
        coordinates: "float" evaluates boxes as they are; "whole" truncates corners and sizes to whole pixels first,
            as the published text files are.
        unreadable: what becomes of images that could not be read, decoded or found, when they were indexed or by a
            detector. "left_out" leaves them out of AP; "missed" counts their faces as missed. An image that was read
            and on which the detector failed has missed its faces either way. Their number is reported.
    """

    name: ClassVar[str] = "evaluate"
    version: ClassVar[str] = "3"
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "detections": Port(DETECTIONS)}
    output: ClassVar[pa.Schema] = AP

    coordinates: Literal["float", "whole"] = "float"
    unreadable: Literal["left_out", "missed"] = "left_out"

    def review(self, ctx: StageContext, output: Artifact) -> Sequence[str]:
        """Returns a line on the subsets that have no AP."""
        line = subsets_without_faces({row["subset"]: row["faces"] for row in output.rows(["subset", "faces"])})
        return [line] if line else []

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row per subset.

        Raises:
            ValueError: if the detections are of images that the samples do not have, or no image could be read.
        """
        detections = ctx.one("detections")
        require_known_images(detections, ctx.one("samples"))
        shards = images_of_shards(detections)
        truth, left_out, answers = evaluated_images(ctx.one("samples"), detections, self.unreadable)
        whole = self.coordinates == "whole"
        ranges = ctx.fan_out(partial(_range, detections, left_out), list(shards))
        scores = reduce(or_, ranges, ScoreRange.empty())
        # Each task gets the faces of its own images: all of them with every task would grow with images times shards.
        counted = set(truth.image_ids)
        tasks = [(name, truth.restrict(counted.intersection(keys))) for name, keys in shards.items()]
        asked = asked_metrics(self)
        parts = ctx.fan_out(partial(_count, detections, scores, whole, asked), tasks)
        # Images without a row in the detections still have faces that count.
        absent = truth.restrict(set(truth.image_ids).difference(*shards.values()))
        parts.append(_counted(PredictionSet.of([]), absent, scores, asked))
        counts = {level: sum((part[level] for part, _ in parts), ApCounts.zero()) for level in LEVELS}
        protocol = {"coordinates": self.coordinates, **answers}
        metrics = add_counted(each for _, each in parts)
        result = replace(result_of(counts, scores, protocol=protocol), metrics=metrics)
        yield from (_row(result, level, scores) for level in counts)

    def notes(self, output: Artifact) -> list[str]:
        """Returns how many images have no answer, and what that means for AP."""
        first = next(output.rows(["protocol"]), None)
        return notes_of(json.loads(first["protocol"]), f"--set {output.node}.unreadable=missed") if first else []


def evaluated_images(
    samples: Artifact, detections: Artifact, unreadable: Literal["left_out", "missed"]
) -> tuple[WiderGroundTruth, frozenset[str], dict[str, int]]:
    """Returns the faces of the images that are evaluated, the images left out, and the entries of the protocol on them.

    Raises:
        ValueError: if no image could be read.
    """
    rows = [Sample.from_row(row) for row in samples.rows()]
    without = missing_answers(rows, detections, images_of_shards(detections))
    left_out = without.unreadable if unreadable == "left_out" else frozenset()
    truth = ground_truth_of(row for row in rows if row.image_id not in left_out)
    if rows and not truth.image_ids:
        raise ValueError(f"{detections.node}: none of {len(rows)} images could be read: nothing to evaluate")
    return truth, left_out, without.counts(left_out)


def missing_answers(
    samples: Sequence[Sample], detections: Artifact, shards: Mapping[str, Sequence[str]]
) -> MissingAnswers:
    """Returns the images without an answer; `shards` are those of `images_of_shards`."""
    # A dump says in its records which rows are errors: the shards without any need not be read for it.
    failed = {key for key, _ in detections.manifest.errors}
    read = [shard for shard, keys in shards.items() if not failed.isdisjoint(keys)]
    columns = ["image_id", "width", "height", "error"]
    rows = [row for shard in read for row in detections.table(shard, columns).to_pylist() if row["error"] is not None]
    return MissingAnswers.of(samples, rows)


def images_of_shards(detections: Artifact) -> dict[str, list[str]]:
    """Returns shard name -> its images, from the list of the rows."""
    keys, shards, first = detections.keys(), dict[str, list[str]](), 0
    for entry in detections.manifest.shards:
        shards[entry.name] = keys[first : first + entry.rows].to_pylist()
        first += entry.rows
    return shards


def _row(result: WiderResult, level: str, scores: ScoreRange) -> Row:
    return {
        "subset": level,
        "ap": result.ap[level],
        **asdict(result.counts[level]),
        "score_min": scores.low,
        "score_max": scores.high,
        "protocol": json.dumps(dict(result.protocol), sort_keys=True),
        **ap_values(result.metrics, level),
    }


def _range(detections: Artifact, left_out: frozenset[str], shard: str) -> ScoreRange:
    """Returns the range of a shard's scores without those of some images."""
    table = detections.table(shard, ["image_id", "score"])
    if left_out:
        table = table.filter(pc.invert(pc.is_in(table["image_id"], pa.array(sorted(left_out), pa.string()))))
    column = table["score"].combine_chunks()
    return score_range(column.flatten().to_numpy(zero_copy_only=False))


def _count(
    detections: Artifact,
    scores: ScoreRange,
    whole: bool,
    asked: Mapping[str, Any],
    task: tuple[str, WiderGroundTruth],
) -> tuple[dict[str, ApCounts], Counted]:
    """Returns the counts of a shard and the faces of its images."""
    shard, truth = task
    known = set(truth.image_ids)
    rows = [row for row in read_detections(detections.table(shard)) if row.image_id in known]
    if whole:
        rows = [replace(row, boxes=np.trunc(row.boxes)) for row in rows]
    return _counted(PredictionSet.of(rows), truth, scores, asked)


def _counted(
    predictions: PredictionSet, truth: WiderGroundTruth, scores: ScoreRange, asked: Mapping[str, Any]
) -> tuple[dict[str, ApCounts], Counted]:
    """Returns what AP is computed from, and the metrics that are asked for."""
    return count_images(predictions, truth, scores), count_metrics(asked, predictions, truth)
