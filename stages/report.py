"""Everything that was found, on one HTML page: the best result, protocol, curves, photographs, times, provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import BENCHMARK, CHECKPOINT, DETECTIONS, PAGE, RANKING_ACCURACY, SAMPLES, STATISTICS
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.benchmark_tables import joined_figures, joined_tables
from pipeline.evaluation.face_statistics import FaceStatistics
from pipeline.evaluation.hits_and_misses import SizeHistogram, size_histogram
from pipeline.evaluation.missing_answers import MissingAnswers
from pipeline.evaluation.page import PageData, render_page
from pipeline.evaluation.result_schemas import AP
from pipeline.evaluation.run_result import RunResult
from pipeline.evaluation.wider_result import subsets_without_faces
from stages.lineage import FOLLOWED, Lineage, facts_of, lineage_of, lineage_of_ap
from stages.report_gallery import Gallery, joined, shown_runs
from stages.report_runs import median_edge, run_of
from stages.report_sources import errors_of, logged_trainings, source_of, timing_of

Pairs = list[tuple[Sample, Detections]]


class Report(WholeStage):
    """One run per evaluation, then one per `detections` that none is of; what they came from is found along the graph.

    The histogram shows the first run; the gallery has the photographs in which the first run made most mistakes, and
    what the other runs did in them; without an AP it shows what was found. With `statistics` alone
    there is no run, and the page shows the scales of the faces only. `accuracy` (stage `ranking_accuracy`) becomes a
    table; `figures` (stage `benchmark`) stand beside each other, with their curves; runs at several canvases become
    lines of AP over the size. Losses are those of the runs' trainings and of `checkpoint`.

    Attributes:
        title, summary: headline and the sentence below it.
        score: boxes at and above it are drawn and counted as found.
        subset: whose faces the gallery counts.
        gallery: images shown, those with most misses and false alarms first.
    """

    name: ClassVar[str] = "report"
    version: ClassVar[str] = "3"
    names_in_identity: ClassVar[bool] = True
    follows: ClassVar[tuple[str, ...]] = (*FOLLOWED, "figures")
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "ap": Port(AP, many=True, optional=True),
        "detections": Port(DETECTIONS, many=True, optional=True),
        "checkpoint": Port(CHECKPOINT, many=True, optional=True),
        "statistics": Port(STATISTICS, optional=True),
        "accuracy": Port(RANKING_ACCURACY, many=True, optional=True),
        "figures": Port(BENCHMARK, many=True, optional=True),
    }
    output: ClassVar[pa.Schema] = PAGE

    title: str = "Face detection"
    summary: str = ""
    score: float = Field(0.5, ge=0, le=1)
    subset: Literal["easy", "medium", "hard"] = "hard"
    gallery: int = Field(24, ge=0)

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where there is nothing to report."""
        if not any(inputs.get(port) for port in ("ap", "detections", "statistics")):
            raise ValueError("inputs.ap: missing; name evaluations, detections without labels, or statistics alone")

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the page as one row."""
        samples = ctx.one("samples")
        lines = [lineage_of_ap(ctx, each) for each in ctx.inputs["ap"]]
        evaluated = {line.detections.node for line in lines}
        lines += [lineage_of(ctx, each) for each in ctx.inputs["detections"] if each.node not in evaluated]
        pairs = [pair for first in lines[:1] for pair in joined(samples, first.detections)]
        edge, seen = median_edge(samples), [each.candidates.node for each in lines]
        runs = [run_of(each, edge, seen) for each in lines]
        artifacts = self._artifacts(ctx, lines)
        shown = Gallery(self.score, self.subset, self.gallery, labelled=bool(ctx.inputs["ap"]))
        places = shown_runs(runs, self.subset)
        gallery = shown.of(ctx, pairs, [(runs[place].name, lines[place].detections) for place in places])
        statistics = ctx.inputs["statistics"]
        checkpoints = [each for line in lines for each in (line.detector, line.ranker)]
        trainings = logged_trainings([*checkpoints, *ctx.inputs["checkpoint"]])
        figures = {each.node: json.loads(row["content"]) for each in ctx.inputs["figures"] for row in each.rows()}
        page = PageData(
            title=self.title,
            summary=self.summary,
            runs=runs,
            gallery=gallery.items,
            gallery_score=self.score,
            gallery_subset=self.subset,
            views=gallery.views,
            sizes=self._sizes(_evaluated(pairs, ctx.inputs["ap"])),
            losses=trainings.losses,
            metrics=trainings.metrics,
            statistics=FaceStatistics.of(statistics[0].rows()) if statistics else None,
            accuracies=[
                (row["name"], row["neighbours"], row["near"], row["every"])
                for each in ctx.inputs["accuracy"]
                for row in each.rows()
            ],
            figures=joined_figures(figures),
            tables=joined_tables(
                figures, {each.node: dict(facts_of(lineage_of_ap(ctx, each))) for each in ctx.inputs["figures"]}
            ),
            timings=[timing_of(each) for each in artifacts],
            errors=[*_without_ap(runs), *errors_of(samples, artifacts), *(f"{ctx.node}: {x}" for x in gallery.unseen)],
            sources=[source_of(each) for each in artifacts],
        )
        yield {"name": f"{ctx.node}.html", "content": render_page(page)}

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the page as a file to open in a browser."""
        return {f"{node}.html": lambda rows: bytes(rows[0]["content"].encode())}

    def _artifacts(self, ctx: StageContext, lines: Sequence[Lineage]) -> list[Artifact]:
        """Returns all that the page is made from, each once: the images, the runs, then what else is wired."""
        steps = [step for line in lines for step in line.steps]
        wired = [each for port in self.inputs for each in ctx.inputs[port]]
        return list({each.node: each for each in (ctx.one("samples"), *steps, *wired)}.values())

    def _sizes(self, pairs: Pairs) -> SizeHistogram | None:
        truth = ground_truth_of(sample for sample, _ in pairs)
        if not any(len(boxes) for boxes in truth.boxes):
            return None
        return size_histogram(truth, PredictionSet.of(found for _, found in pairs), self.score, self.subset)


def _evaluated(pairs: Pairs, aps: Sequence[Artifact]) -> Pairs:
    """Returns the images whose faces count in the first run, as its evaluation has it."""
    if aps and aps[0].params.get("unreadable") == "missed":
        return pairs
    errors = ({"image_id": f.image_id, "width": f.width, "height": f.height} for _, f in pairs if f.error is not None)
    left_out = MissingAnswers.of((sample for sample, _ in pairs), errors).unreadable
    return [pair for pair in pairs if pair[0].image_id not in left_out]


def _without_ap(runs: Sequence[RunResult]) -> Iterator[str]:
    for run in runs:
        if line := subsets_without_faces({subset: counts.faces for subset, counts in run.counts.items()}):
            yield f"{run.name}: {line}"
