"""Results of benchmarks besides WIDER FACE beside each other: figures, what differs, and their curves in one plot.

A result is the `BenchmarkResult.content` of one set of detections, under a name. Those of one benchmark share a table
and its plots; results of different benchmarks are never in one column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.evaluation.benchmarks import TITLES
from pipeline.evaluation.evaluation_table import differing_parameters
from pipeline.evaluation.missing_answers import LEFT_OUT
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import ResultTable, percent

Named = Mapping[str, Mapping[str, Any]]
"""Name -> content of a result."""


def headline(content: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a result is compared by, shares in 0..1; NaN where no face counts."""
    return TITLES.find(content["protocol"]["benchmark"]).headline(content)


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
    return [
        figure for title, rows in by_benchmark(results).items() for figure in TITLES.find(title).joined_figures(rows)
    ]


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
    note = TITLES.find(title).note
    if len({(content["images"], content["faces"]) for content in rows.values()}) > 1:
        note += " Rows of other images or faces do not compare."
    return ResultTable(title, ["", *(name for name, _ in columns)], lines, note)
