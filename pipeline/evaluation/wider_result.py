"""The evaluation of a whole set: AP per subset with the counts, the protocol and the problems that belong to it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.datasets.wider_face.prediction_lines import Reading
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.metrics import Counted, count_metrics
from pipeline.evaluation.wider_ap import (
    IOU,
    STEPS,
    ApCounts,
    Matches,
    ScoreRange,
    average_precision,
    count_images,
    score_range,
)

# Share of the faces of every subset; a mirrored set of good boxes meets 18 % of the easy ones by chance.
FEW_MET: Final = 0.25


@dataclass(frozen=True, slots=True)
class WiderResult:
    """Result of an evaluation.

    Attributes:
        ap: "easy" | "medium" | "hard" -> AP in 0..1, NaN where no face counts.
        counts: subset -> the whole numbers it was computed from.
        protocol: plain JSON values.
        problems: of the input: name -> lines, only those that occurred.
        metrics: of `METRICS`, those that were asked for.
        details: `Details.to_json`, where asked for.
    """

    ap: Mapping[str, float]
    counts: Mapping[str, ApCounts]
    protocol: Mapping[str, Any]
    problems: Mapping[str, list[str]] = field(default_factory=dict)
    metrics: Counted = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Returns `{"easy": .., "medium": .., "hard": .., "protocol", "counts", "problems"}` with all digits.

        An AP that does not exist is null; counts carry both curves (1,000 whole numbers each). `"details"` and metrics,
        each under its name, are there only where they were asked for.
        """
        counts = {
            subset: {**asdict(c), "proposals": c.proposals.tolist(), "matches": c.matches.tolist()}
            for subset, c in self.counts.items()
        }
        ap = {subset: None if math.isnan(value) else value for subset, value in self.ap.items()}
        content: dict[str, Any] = {
            **ap,
            "protocol": dict(self.protocol),
            "counts": counts,
            "problems": dict(self.problems),
        }
        content |= {name: each.to_json() for name, each in self.metrics.items()}
        if self.details:
            content["details"] = dict(self.details)
        return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def subsets_without_faces(faces: Mapping[str, int]) -> str | None:
    """Returns a line on the subsets in which no face counts, whose AP is NaN; `faces` is subset -> faces that count."""
    empty = [subset for subset, count in faces.items() if not count]
    return f"no face counts in {', '.join(empty)}: there is no AP" if empty else None


def require_faces(truth: WiderGroundTruth, source: str) -> None:
    """Raises ValueError, which names `source`, where no face counts in any subset and there is no AP at all."""
    if not any(flags.any() for column in truth.counts.values() for flags in column):
        labelled = sum(map(len, truth.boxes))
        raise ValueError(
            f"{source}: expected faces that count in one of {', '.join(truth.counts)}, found none among {labelled} "
            f"labelled boxes in {len(truth.image_ids)} images: all are ignored, too small or misplaced"
        )


def result_of(
    counts: Mapping[str, ApCounts],
    scores: ScoreRange,
    reading: Reading = "matlab",
    protocol: Mapping[str, Any] | None = None,
    problems: Mapping[str, list[str]] | None = None,
) -> WiderResult:
    """Returns the result of counts that were added up elsewhere; `protocol` adds to the protocol's own entries."""
    some = next(iter(counts.values()), ApCounts.zero())
    own = {
        "benchmark": "WIDER FACE",
        "reading": reading,
        "iou": IOU,
        "pixel_inclusive": True,
        "thresholds": STEPS,
        "score_dtype": "float64",
        "score_min": scores.low if math.isfinite(scores.low) else None,
        "score_max": scores.high if math.isfinite(scores.high) else None,
        "images": some.images,
        "boxes": some.boxes,
    }
    found = {name: list(lines) for name, lines in (problems or {}).items() if lines}
    if not some.boxes:
        found["boxes"] = ["none in any image with faces: nothing was found"]
    elif not any(c.matches[-1] for c in counts.values()) and any(c.faces for c in counts.values()):
        found["boxes"] = [f"none of {some.boxes} meets a face that counts"]
    elif line := _few_met(counts.values()):
        found["boxes"] = [line]
    if scores.low == scores.high:
        found["scores"] = ["all scores are equal; the official tools divide by zero here, each is taken as 1"]
    return WiderResult(
        {subset: average_precision(c) for subset, c in counts.items()}, dict(counts), {**own, **(protocol or {})}, found
    )


def _few_met(counts: Collection[ApCounts]) -> str | None:
    """Returns a line where more boxes than faces meet few of these: of other images, or of images of another size."""
    most = max(counts, key=lambda each: each.faces)
    if most.boxes < most.faces or any(each.matches[-1] >= FEW_MET * each.faces for each in counts if each.faces):
        return None
    met = f"{most.boxes} boxes meet only {int(most.matches[-1])} of {most.faces} faces"
    return f"{met}: are they in pixels of the original images, and of these images?"


def evaluate(
    truth: WiderGroundTruth,
    predictions: PredictionSet,
    reading: Reading = "matlab",
    extra_scores: NDArray[np.float64] | None = None,
    protocol: Mapping[str, Any] | None = None,
    problems: Mapping[str, list[str]] | None = None,
    asked: Mapping[str, Any] | None = None,
    matches: Matches | None = None,
) -> WiderResult:
    """Returns AP, counts and protocol over the images of the ground truth.

    A restricted evaluation is a restricted `truth` (`WiderGroundTruth.restrict`): detections of other images are left
    out, and scores are normalised over those that remain.

    Args:
        truth: the images, their faces and which of them count.
        predictions: any images, any order of rows.
        reading: "matlab" or "python", see `count_images` and `ScoreRange.empty`.
        extra_scores: float64, raw scores that belong to no image but enter the normalisation (Python tool).
        protocol: further entries, in plain JSON values.
        problems: of the input, name -> lines.
        asked: metrics to count, see `count_metrics`.
        matches: of these very arguments, where they are known already.
    """
    chosen = predictions.select(truth.image_ids)
    scores = whole_range(chosen, reading, extra_scores)
    counts = count_images(chosen, truth, scores, reading) if matches is None else matches.counts_of_subsets()
    result = result_of(counts, scores, reading, protocol, problems)
    return replace(result, metrics=count_metrics(asked or {}, chosen, truth))


def whole_range(
    chosen: PredictionSet, reading: Reading = "matlab", extra_scores: NDArray[np.float64] | None = None
) -> ScoreRange:
    """Returns what the scores of an evaluation are normalised with; arguments as for `evaluate`."""
    scores = score_range(chosen.scores, reading)
    return scores if extra_scores is None else scores | score_range(extra_scores, reading)
