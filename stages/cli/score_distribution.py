"""The distribution of the scores of boxes on faces and of boxes on none: CRFace's Fig. 4."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.records import Sample, read_detections
from pipeline.engine.manifest import Artifact
from pipeline.evaluation.curves import line_plot
from pipeline.evaluation.paper_items import PaperItem
from pipeline.evaluation.paper_tables import PaperRow, beside
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import percent
from stages.cli.finished_run import FinishedRun, PaperResult, row_name

Float64 = NDArray[np.float64]

SCORE_BINS: Final = 20
"""Bins of the scores from 0 to 1."""
OVERLAP: Final = 0.5
"""From which on a box is on a face, as in the protocol of WIDER FACE."""
KINDS: Final = ("on faces", "on none")


def scores_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns the distribution of the scores of what is evaluated, for boxes on faces and on none apart.

    Two columns per row of a table; a plot for each of the two.
    """
    shares: dict[str, dict[str, Float64]] = {kind: {} for kind in KINDS}
    faces: dict[str, dict[str, NDArray[np.float32]]] = {}
    for line in run.lines(node):
        samples = run.samples_of(line.ap.node if line.ap else node)
        known = faces.setdefault(samples.node, {row["image_id"]: Sample.from_row(row).boxes for row in samples.rows()})
        for kind, counts in zip(KINDS, score_counts(line.detections, known), strict=True):
            shares[kind][row_name(item, line)] = counts / max(1, counts.sum())
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    rows = [
        PaperRow(
            f"{low:.2f} to {high:.2f}",
            {f"{name}, {kind}": percent(float(shares[kind][name][place])) for name in shares[kind] for kind in KINDS},
        )
        for place, (low, high) in enumerate(pairwise(edges.tolist()))
    ]
    note = (
        "Per cent of the boxes of a column with such a score; scores outside 0 to 1 are in the first and the last bin. "
        f"A box is on a face whose IoU with it is at least {OVERLAP:g}, also a second one."
    )
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    figures = []
    for kind in KINDS:
        lines = {name: list(zip(middles, (100 * each).tolist(), strict=True)) for name, each in shares[kind].items()}
        title = f"Scores of boxes {kind}"
        figures.append(Figure(title, line_plot(lines, title, "score", "boxes, %"), list(lines), note))
    return PaperResult([beside(item.shows, rows, note)], figures=figures)


def score_counts(
    detections: Artifact, faces: Mapping[str, NDArray[np.float32]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns int64 [SCORE_BINS] twice: boxes by their score, on faces and on none.

    ``faces`` has the labelled boxes of every image, float32 [F, 4] xyxy, ignored ones among them.
    """
    counts = np.zeros((2, SCORE_BINS), np.int64)
    for table in detections.tables():
        for row in read_detections(table):
            on_face = closest_overlap(row.boxes, faces[row.image_id], pixel_inclusive=True) >= OVERLAP
            scores = np.clip(row.scores, 0, 1)
            for place, chosen in enumerate((on_face, ~on_face)):
                counts[place] += np.histogram(scores[chosen], SCORE_BINS, (0, 1))[0]
    return counts[0], counts[1]
