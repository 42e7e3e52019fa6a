"""Results of benchmarks besides WIDER FACE beside each other: figures, what differs, and their curves in one plot.

A result is the `BenchmarkResult.content` of one set of detections, under a name. Those of one benchmark share a table
and its plots; results of different benchmarks are never in one column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pipeline.evaluation.benchmark_results import DRAWN
from pipeline.evaluation.coco_ap import RECALLS
from pipeline.evaluation.curves import dense_curves
from pipeline.evaluation.evaluation_table import differing_parameters
from pipeline.evaluation.missing_answers import LEFT_OUT
from pipeline.evaluation.page import Figure
from pipeline.evaluation.result_table import ResultTable, percent

FALSE_POSITIVES: Final = 1000
"""At which the rates of FDDB are compared, or at the end of a curve that is shorter."""
_OF_COCO: Final = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100")
Named = Mapping[str, Mapping[str, Any]]
"""Name -> content of a result."""


def headline(content: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a result is compared by, shares in 0..1; NaN where no face counts.

    FDDB: both rates at `FALSE_POSITIVES`. COCO: AP, by overlap and by area, and average recall. Others: AP, and of
    single faces the share that is found at its score.
    """
    if "discrete" in content:
        return {kind: _rate(content[kind]) for kind in ("discrete", "continuous")}
    if "by_overlap" in content:
        return {name: np.nan if content[name] is None else content[name] for name in _OF_COCO if name in content}
    found = {"found": content["found"] / content["faces"]} if "found" in content else {}
    return {"ap": content["ap"], **found}


def by_benchmark(results: Named) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Returns title of a benchmark -> its results, both in the order in which they come."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, content in results.items():
        found.setdefault(content["protocol"]["benchmark"], {})[name] = content
    return found


def joined_tables(results: Named, facts: Mapping[str, Mapping[str, Any]] | None = None) -> list[ResultTable]:
    """Returns one table per benchmark: figures in per cent, images and faces, and the parameters that differ.

    Args:
        results: in the order of the rows.
        facts: name -> "stage.parameter" -> plain value of all that led to it.
    """
    return [_table(title, rows, facts or {}) for title, rows in by_benchmark(results).items()]


def joined_figures(results: Named) -> list[Figure]:
    """Returns the plots of every benchmark, the curves of all its results in each."""
    return [figure for title, rows in by_benchmark(results).items() for figure in _figures(title, rows)]


def _rate(curve: Sequence[Sequence[float]]) -> float:
    within = [rate for false_positives, rate, _ in curve if false_positives <= FALSE_POSITIVES]
    return within[-1] if within else 0.0


def _table(title: str, rows: Named, facts: Mapping[str, Mapping[str, Any]]) -> ResultTable:
    figures = {name: headline(content) for name, content in rows.items()}
    names = list(dict.fromkeys(figure for each in figures.values() for figure in each))
    columns = [(name, [percent(each.get(name, np.nan)) for each in figures.values()]) for name in names]
    columns += [(count, [f"{content[count]:,}" for content in rows.values()]) for count in ("images", "faces")]
    if any(LEFT_OUT in content["protocol"] for content in rows.values()):
        counts = [str(content["protocol"].get(LEFT_OUT, 0)) for content in rows.values()]
        columns.append(("images left out", counts))
    columns += [(name, texts) for name, texts, _ in differing_parameters([facts.get(name, {}) for name in rows])]
    lines = [[name, *(texts[row] for _, texts in columns)] for row, name in enumerate(rows)]
    return ResultTable(title, ["", *(name for name, _ in columns)], lines, " ".join(_notes(rows)))


def _notes(rows: Named) -> Iterator[str]:
    first = next(iter(rows.values()))
    if "discrete" in first:
        yield f"True positive rates in per cent at {FALSE_POSITIVES:,} false positives, or where a shorter curve ends."
    elif "found" in first:
        yield "AP in per cent, and the share of the faces found at the score of the protocol."
    else:
        yield "In per cent."
    if len({(content["images"], content["faces"]) for content in rows.values()}) > 1:
        yield "Rows of other images or faces do not compare."


def _figures(title: str, rows: Named) -> Iterator[Figure]:
    names = list(rows)
    if "discrete" in rows[names[0]]:
        for kind in ("discrete", "continuous"):
            # From the origin, where no detection is taken.
            lines = {name: [(0.0, 0.0), *((x, y) for x, y, _ in content[kind])] for name, content in rows.items()}
            plot = dense_curves(lines, f"{title}: {kind} ROC", "false positives", "true positive rate")
            yield Figure(f"{title}: {kind} ROC curve", plot, names)
        return
    if "by_overlap" in rows[names[0]]:
        for overlap in DRAWN:
            lines = {
                name: list(zip(RECALLS.tolist(), content["curves"][overlap], strict=True))
                for name, content in rows.items()
            }
            yield _precision(f"{title}: precision and recall at overlap {overlap}", lines)
        return
    lines = {name: [(recall, precision) for recall, precision, _ in each["curve"]] for name, each in rows.items()}
    yield _precision(f"{title}: precision and recall", lines)


def _precision(title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    return Figure(title, dense_curves(lines, title, "recall", "precision"), list(lines))
