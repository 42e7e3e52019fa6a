"""The page of a benchmark other than WIDER FACE: its curves, its figures in numbers, and how they were counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.benchmarks import TITLES
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkResult
from pipeline.evaluation.page import PageData, render_page
from pipeline.evaluation.page_views import plain
from pipeline.evaluation.result_table import ResultTable


def benchmark_page(result: BenchmarkResult, name: str, commands: Sequence[str] = ()) -> str:
    """Returns the HTML page of one result.

    Args:
        result: of any benchmark.
        name: of the predictions.
        commands: as typed.
    """
    content = result.content
    benchmark = TITLES.find(content["protocol"]["benchmark"])
    figures, tables = benchmark.shown(content, name)
    data = PageData(
        title=f"{name} on {benchmark.title}",
        summary=f"{result.lines[0]}.",
        figures=figures,
        tables=[*tables, _protocol(content["protocol"])],
        errors=[f"{kind}: {line}" for kind, lines in result.problems.items() for line in lines],
        commands=commands,
    )
    return render_page(data)


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
