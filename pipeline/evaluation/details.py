"""More than AP of one evaluation: intervals, error types, limits of recall, the oracle gap, AP of groups of faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.bootstrap import RESAMPLES, Interval, image_counts, interval, resample
from pipeline.evaluation.breakdown import Breakdown, break_down
from pipeline.evaluation.closest_faces import NEAR, closest_faces
from pipeline.evaluation.error_types import ERRORS, ErrorCounts, count_errors
from pipeline.evaluation.oracle_gap import count_oracle, oracle_range
from pipeline.evaluation.recall_limits import LIMITS, RecallCounts, count_recall
from pipeline.evaluation.result_table import ResultTable, percent
from pipeline.evaluation.wider_ap import Matches, average_precision


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of an evaluation beside its AP; every mapping is subset -> figure.

    Attributes:
        intervals: AP with its bootstrap interval over images.
        resamples: how many resamples the intervals come from.
        seed: of their draws.
        errors: counts and costs of each type of error.
        recall: faces without any box, average recall.
        oracle: AP of the same boxes in the best order, 0..1, NaN where no face counts.
        breakdown: counts of groups of the faces of hard.
    """

    intervals: Mapping[str, Interval]
    resamples: int
    seed: int
    errors: Mapping[str, ErrorCounts]
    recall: Mapping[str, RecallCounts]
    oracle: Mapping[str, float]
    breakdown: Breakdown

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values: `{"intervals", "errors", "recall", "oracle", "breakdown"}`; NaN is null."""
        drawn = {"resamples": self.resamples, "seed": self.seed}
        return {
            "intervals": {**drawn, **{subset: each.to_json() for subset, each in self.intervals.items()}},
            "errors": {subset: each.to_json() for subset, each in self.errors.items()},
            "recall": {subset: each.to_json() for subset, each in self.recall.items()},
            "oracle": {subset: None if np.isnan(ap) else ap for subset, ap in self.oracle.items()},
            "breakdown": self.breakdown.to_json(),
        }

    def tables(self) -> list[ResultTable]:
        """Returns the same as tables, in per cent; groups without a face are left out."""
        return [self._interval_table(), self._error_table(), self._recall_table(), *self._breakdown_tables()]

    def _interval_table(self) -> ResultTable:
        rows = []
        for subset, each in self.intervals.items():
            gap = self.oracle[subset] - each.value
            bounds = (each.value, each.low, each.high)
            rows.append((subset, *map(percent, bounds), percent(self.oracle[subset]), percent(gap, sign=True)))
        return ResultTable(
            "AP, its 95 % interval, and the limit of its boxes",
            ("subset", "AP", "from", "to", "oracle", "gap"),
            rows,
            f"Interval: percentiles of {self.resamples:,} resamples of the images. Oracle: AP of the same boxes, each "
            "scored by its overlap with the closest face.",
        )

    def _error_table(self) -> ResultTable:
        rows = [
            (subset, *(f"{each.errors[name]:,} ({percent(each.cost[name], sign=True)})" for name in ERRORS))
            for subset, each in self.errors.items()
        ]
        return ResultTable(
            "Errors at any score, and the AP that correcting each type alone would add",
            ("subset", *ERRORS),
            rows,
            f"Localisation: boxes that overlap their closest face by {NEAR:g} to 0.5; background: by less; duplicate: "
            "a face that a better box has; missed: faces without a box of the first kind or a match.",
        )

    def _recall_table(self) -> ResultTable:
        limits = [str(limit or "all") for limit in LIMITS]
        rows = [
            (
                subset,
                *(f"{count:,}" for count in (each.faces, each.missed, each.without_box)),
                *(percent(each.average_recall[limit]) for limit in limits),
            )
            for subset, each in self.recall.items()
        ]
        return ResultTable(
            "Recall at any score, and average recall over IoU 0.5 to 0.95",
            ("subset", "faces", "missed", "without box", *(f"AR {limit}" for limit in limits)),
            rows,
            "Without box: faces that no box overlaps by one half. AR n: of the n best boxes of an image.",
        )

    def _breakdown_tables(self) -> Iterator[ResultTable]:
        for part, groups in self.breakdown.parts.items():
            aps = self.breakdown.ap[part]
            rows = [
                (name, percent(aps[name]), f"{counts.faces:,}", percent(counts.matches[-1] / counts.faces))
                for name, counts in groups.items()
                if counts.faces
            ]
            yield ResultTable(f"AP of hard by {part}", (part, "AP", "faces", "recall"), rows)


def details_of(
    matches: Matches,
    image_ids: Sequence[str],
    attributes: Mapping[str, NDArray[np.integer[Any]]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Details:
    """Returns everything of this file about a whole set.

    Args:
        matches: of all its images.
        image_ids: `<event>/<image>`, in the order of the matches.
        attributes: see `break_down`.
        resamples: of the images, for the intervals.
        seed: of their draws.
    """
    closest = closest_faces(matches)
    ap = {subset: average_precision(counts) for subset, counts in matches.counts_of_subsets().items()}
    (drawn_SR,) = resample([image_counts(matches)], resamples, seed)
    oracle = count_oracle(matches, closest, oracle_range(matches, closest))
    return Details(
        intervals={subset: interval(ap[subset], drawn_R) for subset, drawn_R in zip(ap, drawn_SR, strict=True)},
        resamples=resamples,
        seed=seed,
        errors=count_errors(matches, closest),
        recall=count_recall(matches, closest),
        oracle={subset: average_precision(counts) for subset, counts in oracle.items()},
        breakdown=break_down(matches, image_ids, attributes),
    )
