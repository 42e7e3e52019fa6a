"""Sets with one labelled face to an image, as FFHQ is: faces found, missed and extra boxes at a score, and AP.

FFHQ itself has no detection protocol: it is a set for generating faces, and what the papers take of it is its images.
The rule here is that of ``voc`` (`voc_ap`): overlap of 0.5 or more, the first detection on the face is the hit. An
**extra** box is every other one at the score: a second one on the face, or one elsewhere, which on photographs with
people in the background may be a face without a label. So found faces compare detectors, extra boxes and AP only
as far as the labels are complete.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult, Content
from pipeline.evaluation.benchmarks.voc import VocSet
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import ResultTable
from pipeline.evaluation.voc_ap import VOC, VocCounts, VocProtocol

SCORE: Final = 0.5
"""From which on a detection counts, unless another one is chosen."""
SCORES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""At which the same counts are given in numbers."""


class SingleFace(VocSet):
    """Images with one face each."""

    title = "Single face"
    note = "AP in per cent, and the share of the faces found at the score of the protocol."
    uses = ("category", "score")

    @classmethod
    def protocol_of(cls, options: BenchmarkOptions) -> VocProtocol:
        """Returns ``voc``."""
        return VOC

    @classmethod
    def read(cls, path: Path, options: BenchmarkOptions, sizes: Sizes | None = None) -> Self:
        """Returns all images; refuses labels with none or several faces in one."""
        whole = super().read(path, options, sizes)
        require_single(whole.labels, path)
        return whole

    @classmethod
    def result(cls, counts: VocCounts, options: BenchmarkOptions, protocol: Content) -> BenchmarkResult:
        """Returns found, missed and extra at the score and at `SCORES`, AP and its curve."""
        score = SCORE if options.score is None else options.score
        result = super().result(counts, options, {"score": score, **protocol})
        found = at_score(counts, score)
        line = f"at score {score:g}: {found['found']} found, {found['missed']} missed, {found['extra']} extra boxes"
        by_score = [[each, *at_score(counts, each).values()] for each in sorted({*SCORES, score})]
        return replace(result, lines=[result.lines[0], line], content={**result.content, **found, "by_score": by_score})

    @classmethod
    def headline(cls, content: Content) -> dict[str, float]:
        """Returns AP, and the share that is found at the score."""
        return {**super().headline(content), "found": content["found"] / content["faces"]}

    @classmethod
    def shown(cls, content: Content, name: str) -> tuple[list[Figure], list[ResultTable]]:
        """Returns the curve, the counts at every score, and the precision at a recall."""
        figures, tables = super().shown(content, name)
        rows = [[f"{score:g}", *(f"{each:,}" for each in counts)] for score, *counts in content["by_score"]]
        words = "An extra box is any but the first on the labelled face."
        table = ResultTable("Single faces at a score", ["Score", "Found", "Missed", "Extra"], rows, words)
        return figures, [table, *tables]


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
