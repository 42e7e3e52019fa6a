"""Several results of benchmarks to one table per benchmark, with what sets rows apart, and a page of their curves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.data.schemas import BENCHMARK, BENCHMARK_TABLE
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.benchmark_tables import joined_figures, joined_tables
from pipeline.evaluation.page import PageData, render_page
from pipeline.evaluation.paper_tables import as_markdown
from pipeline.evaluation.result_table import ResultTable
from stages.lineage import FOLLOWED, facts_of, lineage_of_ap


class BenchmarkTable(WholeStage):
    """One row per `benchmark` node, named after it, in the table of its benchmark.

    Printed at the end of a run and published as `{node}.md`; `{node}.html` has the curves of all rows as well.

    Attributes:
        title: of the page.
        differences: show the parameters in which the rows of a benchmark differ.
    """

    name: ClassVar[str] = "benchmark_table"
    version: ClassVar[str] = "1"
    names_in_identity: ClassVar[bool] = True
    follows: ClassVar[tuple[str, ...]] = ("figures", *FOLLOWED)
    inputs: ClassVar[dict[str, Port]] = {"figures": Port(BENCHMARK, many=True)}
    output: ClassVar[pa.Schema] = BENCHMARK_TABLE

    title: str = "Face detection benchmarks"
    differences: bool = True

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError unless every result is there once."""
        rows = inputs.get("figures", ())
        if len(set(rows)) != len(rows):
            raise ValueError(f"inputs.figures: expected each result once, found {', '.join(rows)}")

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row per result, in the order they are wired."""
        for figures in ctx.inputs["figures"]:
            (row,) = figures.rows()
            facts = dict(facts_of(lineage_of_ap(ctx, figures))) if self.differences else {}
            shown = json.dumps(facts, sort_keys=True, ensure_ascii=False)
            yield {"name": figures.node, "content": row["content"], "facts": shown}

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the tables as Markdown, and with their curves as a page."""
        return {f"{node}.md": _markdown, f"{node}.html": partial(_page, self.title)}


def _markdown(rows: Sequence[Row]) -> bytes:
    return "\n".join(map(as_markdown, _tables(rows))).encode()


def _page(title: str, rows: Sequence[Row]) -> bytes:
    results = _results(rows)
    problems = [
        f"{name}: {kind}: {line}"
        for name, content in results.items()
        for kind, lines in content["problems"].items()
        for line in lines
    ]
    data = PageData(title=title, tables=_tables(rows), figures=joined_figures(results), errors=problems)
    return render_page(data).encode()


def _tables(rows: Sequence[Row]) -> list[ResultTable]:
    return joined_tables(_results(rows), {row["name"]: json.loads(row["facts"]) for row in rows})


def _results(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    return {row["name"]: json.loads(row["content"]) for row in rows}
