"""A finished run as tables and figures of papers are printed from it, and what is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.engine.graph import Graph
from pipeline.engine.manifest import Artifact
from pipeline.engine.plan import NodePlan, context
from pipeline.evaluation.face_statistics import FaceStatistics
from pipeline.evaluation.paper_items import PaperItem
from pipeline.evaluation.photographs import GalleryItem
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import ResultTable
from pipeline.evaluation.run_result import RunResult
from stages.lineage import Lineage, lineage_of_ap
from stages.report_runs import median_edge, run_of


@dataclass(frozen=True, slots=True)
class PaperResult:
    """What is printed of one table or figure, and shown on its page; `files` are ending -> content of further ones."""

    tables: Sequence[ResultTable]
    runs: Sequence[RunResult] = ()
    figures: Sequence[Figure] = ()
    statistics: FaceStatistics | None = None
    gallery: Sequence[GalleryItem] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A graph whose nodes up to one are stored; `beside` are predictions of others, name -> file."""

    graph: Graph
    plans: Mapping[str, NodePlan]
    beside: Mapping[str, Path] = field(default_factory=dict)

    def artifact(self, node: str) -> Artifact:
        """Returns the finished output of a node; raises ValueError where there is none."""
        found = self.plans[node].artifact
        if found is None:
            raise ValueError(f"{node}: expected a finished output, found none: {self.plans[node].reason}")
        return found

    def samples_of(self, node: str) -> Artifact:
        """Returns the samples wired to a node."""
        return self.artifact(self.graph.nodes[node].inputs["samples"][0])

    def lines(self, node: str) -> list[Lineage]:
        """Returns what each evaluation came from that is wired to a table."""
        ctx = context(self.graph, node, self.plans, {})
        return [lineage_of_ap(ctx, each) for each in ctx.inputs["ap"]]

    def runs(self, item: PaperItem, node: str) -> list[RunResult]:
        """Returns the evaluations wired to a table, by the names that the paper has for them."""
        lines = self.lines(node)
        edge, seen = median_edge(self.samples_of(lines[0].ap.node if lines[0].ap else node)), [""]
        found = [run_of(line, edge, seen) for line in lines]
        return [replace(run, name=row_name(item, line)) for run, line in zip(found, lines, strict=True)]


def row_name(item: PaperItem, line: Lineage) -> str:
    """Returns the paper's name for an evaluation, else that of its node."""
    node = line.ap.node if line.ap else line.detections.node
    return item.rows.get(node, node)
