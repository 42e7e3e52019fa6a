"""From the stored outputs of a run to a paper's table or figure: our rows beside the paper's, curves, a page.

`KINDS` has one function per way of printing; an entry of `configs/papers` names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from pipeline.data.canvas import parse_canvas
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS
from pipeline.engine.graph import Graph
from pipeline.engine.manifest import Artifact
from pipeline.evaluation.breakdown import HEIGHTS, height_names
from pipeline.evaluation.curves import line_plot
from pipeline.evaluation.evaluation_table import EvaluationRow
from pipeline.evaluation.face_statistics import FaceStatistics, ScaleBin
from pipeline.evaluation.paper_items import Kind, PaperItem
from pipeline.evaluation.paper_tables import PaperRow, beside, only_paper, row_of
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import NONE, percent
from stages.cli.finished_run import FinishedRun, PaperResult
from stages.cli.network_times import network_ms
from stages.cli.outside_predictions import outside_rows
from stages.cli.score_distribution import scores_result
from stages.cli.server_archive import submission_result
from stages.cli.side_by_side import gallery_result
from stages.cli.vanished import vanished_result
from stages.lineage import Lineage
from stages.statistics import Statistics
from stages.table import Table


def ap_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns the rows of a table beside the paper's, and the curves of precision and recall."""
    lines = {line.ap.node: line for line in run.lines(node) if line.ap}
    rows = []
    for each in map(EvaluationRow.from_row, run.artifact(node).rows()):
        more = dict(_networks(lines[each.name], item.columns))
        stated = item.paper.get(each.name)
        rows.append(row_of(each, item.rows.get(each.name, each.name), item.columns, stated, more))
    others = outside_rows(run, node, run.beside)
    rows += [row_of(each, each.name, item.columns) for each, _ in others]
    rows += only_paper(item.only_paper)
    note = "AP in per cent by the protocol of WIDER FACE."
    if item.rows and set(run.graph.nodes[node].inputs["ap"]) - item.rows.keys():
        note += " Rows under the name of their node are ours."
    return PaperResult([beside(item.shows, rows, note)], [*run.runs(item, node), *(each for _, each in others)])


def sizes_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns AP by the height at which the detector saw the images, one column per way of ordering the boxes."""
    runs, lines = run.runs(item, node), run.lines(node)
    samples = list(run.samples_of(lines[0].ap.node if lines[0].ap else node).rows(["width", "height"]))
    known = [(row["width"], row["height"]) for row in samples if row["width"] and row["height"]]
    found: dict[float, dict[str, str]] = {}
    curves: dict[str, list[tuple[float, float]]] = {}
    for each in runs:
        canvas = parse_canvas(each.canvas)
        height = float(np.median([canvas.size(width, height)[1] for width, height in known]))
        cells = found.setdefault(height, {})
        cells |= {f"{level}, {each.way}": percent(each.ap[level]) for level in LEVELS}
        curves.setdefault(each.way, []).append((height, 100 * each.ap["hard"]))
    rows = [PaperRow(f"{height:,.0f} px", found[height]) for height in sorted(found)]
    lines_by_way = {way: sorted(points) for way, points in curves.items()}
    plot = line_plot(lines_by_way, "AP by image height", "height of the image in px", "hard AP, %", octaves=True)
    note = "Height: the median of the images as the detector saw them. AP in per cent by the protocol of WIDER FACE."
    figure = Figure("Hard AP by the height of the image", plot, list(lines_by_way), note)
    return PaperResult([beside(item.shows, rows, note)], runs, [figure])


def levels_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns the range of scales of each pyramid level by each reading of "matches", beside the paper's."""
    statistics = FaceStatistics.of(run.artifact(node).rows())
    readings = {"best": "best overlap", "most": "most anchors", "any": "any anchor", "released": "released code"}
    levels = sorted({each.level or 0 for bins in statistics.levels.values() for each in bins})

    def span(name: str, level: int) -> str:
        return next((_span(each) for each in statistics.levels.get(name, ()) if each.level == level), NONE)

    rows = [
        PaperRow(
            f"P{level}",
            {shown: span(name, level) for name, shown in readings.items()},
            {"range": span("paper", level)},
        )
        for level in levels
    ]
    note = "Scales of faces in pixels that a level is for. The paper does not say which reading it counts by."
    return PaperResult([beside(item.shows, rows, note)], statistics=statistics)


def cumulative_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns the cumulative shares of the training faces and of the anchors that they match, by their scale."""
    from pipeline.training.analysis.cumulative_shares import CumulativeShares
    from pipeline.training.analysis.matched_anchors import BORDER, SCALES
    from pipeline.training.assigners import ASSIGNERS
    from pipeline.training.augment.policy import POLICIES, Policy

    stage = run.graph.nodes[node].stage
    assert isinstance(stage, Statistics)
    rows = [Sample.from_row(row) for row in run.samples_of(node).rows()]
    samples = [sample for sample in rows if sample.error is None]
    policy = stage.policies[0]
    chosen = Policy(POLICIES.find(policy)(), side=stage.side)
    found = CumulativeShares.of(samples, chosen, stage.detector, stage.seed, stage.epochs)
    shares = {"faces, as labelled": found.of_labelled(), f"faces, after {policy.upper()}": found.of_augmented()}
    for name, words in _MATCHINGS.items():
        shares[f"anchors, {words}"] = found.of_anchors(ASSIGNERS[name].build())
    percents = {name: [f"{100 * share:.1f}" for share in values.tolist()] for name, values in shares.items()}
    table = [
        PaperRow(
            f"{scale:g} px{' (border)' if scale == BORDER else ''}", {n: each[place] for n, each in percents.items()}
        )
        for place, scale in enumerate(SCALES)
    ]
    note = (
        f"Per cent of all faces, and of the anchors that the faces after {policy.upper()} match, that are below a "
        f"scale; each face alone in its image. The border is at {BORDER:g} px."
    )
    lines = {name: list(zip(SCALES, (100 * values).tolist(), strict=True)) for name, values in shares.items()} | {
        f"border, {BORDER:g} px": [(BORDER, 0.0), (BORDER, 100.0)]
    }
    plot = line_plot(lines, "Cumulative shares by scale", "scale of the face in px", "share below, %", octaves=True)
    figures = [Figure("Faces and matched anchors below each scale", plot, list(lines), note)]
    return PaperResult([beside(item.shows, table, note)], figures=figures)


def heights_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns the number of labelled faces by their height."""
    heights = [sample.boxes[:, 3] - sample.boxes[:, 1] for sample in map(Sample.from_row, run.artifact(node).rows())]
    height_F = np.concatenate([np.zeros(0), *heights])
    bin_F = np.maximum(np.searchsorted(HEIGHTS, height_F, side="right") - 1, 0)
    counts = np.bincount(bin_F, minlength=len(HEIGHTS)).tolist()
    total = max(1, sum(counts))
    rows = [
        PaperRow(name, {"faces": f"{count:,}", "%": percent(count / total)})
        for name, count in zip(height_names(), counts, strict=True)
    ]
    note = (
        f"{sum(counts):,} labelled faces in {len(heights):,} images; the highest has {height_F.max(initial=0):,.0f} px."
    )
    points = {"faces": [(max(4.0, low), float(count)) for low, count in zip(HEIGHTS, counts, strict=True)]}
    plot = line_plot(points, "Faces by height", "height from … px", "faces", octaves=True)
    return PaperResult([beside(item.shows, rows, note)], figures=[Figure("Faces by height", plot, ["faces"], note)])


KINDS: Final[Mapping[Kind, Callable[[PaperItem, FinishedRun, str], PaperResult]]] = {
    "ap": ap_result,
    "sizes": sizes_result,
    "levels": levels_result,
    "cumulative": cumulative_result,
    "scores": scores_result,
    "heights": heights_result,
    "gallery": gallery_result,
    "vanished": vanished_result,
    "submission": submission_result,
}
_MATCHINGS: Final = {"mogface": "standard matching", "s3fd": "S3FD's two steps", "atss": "ATSS"}


def stated_rows(item: PaperItem, graph: Graph) -> Iterator[str]:
    """Yields the rows of an entry that its node does not have: a name that is written wrong, or an older one."""
    stage = graph.nodes[item.node].stage
    known = graph.nodes[item.node].inputs.get("ap", ()) if isinstance(stage, Table) else ()
    yield from (name for name in {**item.rows, **item.paper} if name not in known)


def _networks(line: Lineage, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields column -> figure of the networks behind a row, as far as they are asked for and known."""
    ranker = line.ranker if line.ranker and "ranker MB" in columns else None
    times = {"detector ms": network_ms(line.found_by), "ranker ms": network_ms([line.detections])}
    if not line.ranker:
        del times["ranker ms"]
    yield from ((name, f"{ms:.1f}") for name, ms in times.items() if ms is not None and name in columns)
    if ranker:
        yield "ranker MB", f"{_megabytes(ranker):.1f}"


def _megabytes(checkpoint: Artifact) -> float:
    return len(next(checkpoint.rows(["weights"]))["weights"]) / 1e6


def _span(each: ScaleBin) -> str:
    return NONE if each.low is None or each.high is None else f"{each.low:.1f}–{each.high:.1f}"
