"""The page of a benchmark other than WIDER FACE: its curves, its figures in numbers, and how they were counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pipeline.evaluation.benchmark_results import BenchmarkResult
from pipeline.evaluation.coco_ap import RECALLS
from pipeline.evaluation.curves import dense_curves, line_plot
from pipeline.evaluation.page import Figure, PageData, render_page
from pipeline.evaluation.page_views import plain
from pipeline.evaluation.result_table import NONE, ResultTable, percent

FALSE_POSITIVES: Final = (10, 50, 100, 200, 500, 1000, 2000)
"""At which the rates of FDDB are given in numbers."""
RECALL_POINTS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""At which a precision is given in numbers."""


def benchmark_page(result: BenchmarkResult, name: str, commands: Sequence[str] = ()) -> str:
    """Returns the HTML page of one result.

    Args:
        result: of any benchmark.
        name: of the predictions.
        commands: as typed.
    """
    content = result.content
    parts = _fddb if "discrete" in content else _coco if "by_overlap" in content else _voc
    figures, tables = parts(content, name)
    benchmark = content["protocol"]["benchmark"]
    data = PageData(
        title=f"{name} on {benchmark}",
        summary=f"{result.lines[0]}.",
        figures=figures,
        tables=[*tables, _protocol(content["protocol"])],
        errors=[f"{kind}: {line}" for kind, lines in result.problems.items() for line in lines],
        commands=commands,
    )
    return render_page(data)


def _fddb(content: Mapping[str, Any], name: str) -> tuple[list[Figure], list[ResultTable]]:
    notes = {
        "discrete": "Share of the faces on which a detection overlaps the ellipse by more than a half.",
        "continuous": "Sum of the overlaps of detections and ellipses, divided by the number of faces.",
    }
    figures, columns = [], []
    for kind, note in notes.items():
        # From the origin, where no detection is taken.
        points = [(0.0, 0.0), *((x, y) for x, y, _ in content[kind])]
        plot = dense_curves({name: points}, f"{kind} ROC", "false positives", "true positive rate")
        figures.append(Figure(f"{kind.title()} ROC curve", plot, [name], note))
        columns.append(dict(_rates(content[kind])))
    rows = [[f"{number:,}", percent(columns[0][number]), percent(columns[1][number])] for number in columns[0]]
    note = "Rates in per cent at the last point of the curve with at most so many false positives."
    return figures, [ResultTable("True positive rate", ["False positives", "Discrete", "Continuous"], rows, note)]


def _rates(curve: Sequence[Sequence[float]]) -> Iterator[tuple[int, float]]:
    """Yields false positives of `FALSE_POSITIVES` and of the end of a curve, and the rate there."""
    last = int(curve[-1][0]) if curve else 0
    counts = np.array([x for x, _, _ in curve])
    for number in [*(each for each in FALSE_POSITIVES if each < last), last]:
        within = np.flatnonzero(counts <= number)
        yield number, curve[within[-1]][1] if len(within) else 0.0


def _voc(content: Mapping[str, Any], name: str) -> tuple[list[Figure], list[ResultTable]]:
    recall, precision, scores = np.array(content["curve"], np.float64).reshape(-1, 3).T
    points = list(zip(recall.tolist(), precision.tolist(), strict=True))
    plot = dense_curves({name: points}, "Precision over recall", "recall", "precision")
    note = f"Average precision {percent(content['ap'])} %: the area below the curve once it never rises."
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    rows = []
    for wanted in RECALL_POINTS:
        place = int(np.searchsorted(recall, wanted))
        known = place < len(recall)
        cells = [percent(float(envelope[place])), f"{scores[place]:.4g}"] if known else [NONE, NONE]
        rows.append([percent(wanted, 0), *cells])
    table = ResultTable(
        "Precision at a recall",
        ["Recall", "Precision", "Score"],
        rows,
        "In per cent; the score from which on it holds.",
    )
    tables = [table]
    if by_score := content.get("by_score"):
        rows = [[f"{score:g}", *(f"{each:,}" for each in counts)] for score, *counts in by_score]
        words = "An extra box is any but the first on the labelled face."
        tables.insert(0, ResultTable("Single faces at a score", ["Score", "Found", "Missed", "Extra"], rows, words))
    return [Figure("Precision and recall", plot, [name], note)], tables


def _coco(content: Mapping[str, Any], name: str) -> tuple[list[Figure], list[ResultTable]]:
    recalls = RECALLS.tolist()
    curves = {
        f"overlap {overlap}": list(zip(recalls, each, strict=True)) for overlap, each in content["curves"].items()
    }
    plot = dense_curves(curves, "Precision over recall", "recall", "precision")
    note = "At three overlaps, of faces of every area; precision at 101 recalls, made to fall."
    by_overlap = [(float(overlap), 100 * ap) for overlap, ap in content["by_overlap"].items()]
    bars = line_plot({name: by_overlap}, "AP by overlap", "overlap", "AP, %")
    figures = [
        Figure("Precision and recall", plot, list(curves), note),
        Figure("AP by overlap", bars, [name], "How exactly boxes are placed: COCO's AP is the mean of these ten."),
    ]
    names = [key for key in content if key.startswith(("ap", "ar"))]
    rows = [[key, NONE if content[key] is None else percent(content[key])] for key in names]
    return figures, [ResultTable("COCO's figures", ["Figure", "%"], rows)]


def _protocol(protocol: Mapping[str, Any]) -> ResultTable:
    rows = []
    for key, value in protocol.items():
        shown = (
            ", ".join(f"{part} {plain(each)}" for part, each in value.items())
            if isinstance(value, Mapping)
            else plain(value)
        )
        rows.append([key.replace("_", " "), shown])
    return ResultTable("Protocol", ["Entry", "Value"], rows)
