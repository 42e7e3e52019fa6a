"""Sets with one labelled face to an image, as FFHQ is: faces found, missed and extra boxes at a score, and AP.

FFHQ itself has no detection protocol: it is a set for generating faces, and what the papers take of it is its images.
The rule here is that of ``voc`` (`voc_ap`): overlap of 0.5 or more, the first detection on the face is the hit. An
**extra** box is every other one at the score: a second one on the face, or one elsewhere, which on photographs with
people in the background may be a face without a label. So found faces compare detectors, extra boxes and AP only
as far as the labels are complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.evaluation.benchmark_results import BenchmarkResult, voc_result
from pipeline.evaluation.voc_ap import VOC, VocCounts

SCORE: Final = 0.5
"""From which on a detection counts, unless another one is chosen."""
SCORES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""At which the same counts are given in numbers."""


def require_single(labels: BoxLabels, source: Path) -> None:
    """Raises ValueError unless every image has one face that counts; ignored ones may be beside it."""
    counts = np.array([int((~flags).sum()) for flags in labels.ignored])
    if len(others := np.flatnonzero(counts != 1)):
        first = others[0]
        raise ValueError(
            f"{source}: expected one face that counts in every image, found {counts[first]} in "
            f"{labels.image_ids[first]}, and {len(others)} such images of {len(counts)}; those of any number of faces "
            "are evaluated by --benchmark pascal"
        )


def at_score(counts: VocCounts, score: float) -> dict[str, int]:
    """Returns faces found and missed, and extra boxes, of the detections at a score and above."""
    taken = counts.scores >= score
    found = int((counts.hits & taken).sum())
    return {"found": found, "missed": counts.faces - found, "extra": int((~counts.hits & taken).sum())}


def single_result(counts: VocCounts, score: float, protocol: Mapping[str, Any]) -> BenchmarkResult:
    """Returns found, missed and extra at a score and at `SCORES`, AP and curve.

    Args:
        counts: over all images, by ``voc``.
        score: from which on detections count.
        protocol: further entries.

    Raises ValueError: there is no face.
    """
    result = voc_result("single", counts, VOC, {"score": score, **protocol})
    found = at_score(counts, score)
    line = f"at score {score:g}: {found['found']} found, {found['missed']} missed, {found['extra']} extra boxes"
    by_score = [[each, *at_score(counts, each).values()] for each in sorted({*SCORES, score})]
    return replace(result, lines=[result.lines[0], line], content={**result.content, **found, "by_score": by_score})
