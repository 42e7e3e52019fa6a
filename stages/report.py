"""Everything that was found, on one HTML page: protocol, AP, curves, the worst images, face sizes, timings, errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample, read_detections
from pipeline.data.schemas import AP, CHECKPOINT, DETECTIONS, PAGE, RANKING_ACCURACY, SAMPLES, STATISTICS
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.face_statistics import FaceStatistics
from pipeline.evaluation.hits_and_misses import (
    GalleryItem,
    SizeHistogram,
    most_detections,
    most_mistakes,
    shrink_jpeg,
    size_histogram,
)
from pipeline.evaluation.missing_answers import MissingAnswers
from pipeline.evaluation.page import PageData, Timing, render_page
from pipeline.evaluation.run_result import RunResult
from pipeline.evaluation.wider_ap import ApCounts
from pipeline.evaluation.wider_result import subsets_without_faces
from pipeline.models.checkpoint import published_detector
from stages.lineage import FOLLOWED, Lineage, lineage_of, lineage_of_ap

Pairs = list[tuple[Sample, Detections]]


class Report(WholeStage):
    """One run per evaluation, then one per `detections` that none is of; what they came from is found along the graph.

    Gallery and histogram show the first run; without an AP the gallery shows what was found. With `statistics` alone
    there is no run, and the page shows the scales of the faces only. `accuracy` (stage `ranking_accuracy`) becomes a
    table; runs at several canvases become lines of AP over the size. Losses are those of the runs' trainings and of
    `checkpoint`.

    Attributes:
        title, summary: headline and the sentence below it.
        score: boxes at and above it are drawn and counted as found.
        subset: whose faces the gallery counts.
        gallery: images shown, those with most misses and false alarms first.
    """

    name: ClassVar[str] = "report"
    version: ClassVar[str] = "2"
    names_in_identity: ClassVar[bool] = True
    follows: ClassVar[tuple[str, ...]] = FOLLOWED
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "ap": Port(AP, many=True, optional=True),
        "detections": Port(DETECTIONS, many=True, optional=True),
        "checkpoint": Port(CHECKPOINT, many=True, optional=True),
        "statistics": Port(STATISTICS, optional=True),
        "accuracy": Port(RANKING_ACCURACY, many=True, optional=True),
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
        pairs = [pair for first in lines[:1] for pair in _joined(samples, first.detections)]
        edge, seen = median_edge(samples), [each.candidates.node for each in lines]
        runs = [run_result(each, edge, seen) for each in lines]
        artifacts = self._artifacts(ctx, lines)
        gallery, unseen = self._gallery(ctx, pairs)
        statistics = ctx.inputs["statistics"]
        trained = [each for line in lines for each in (line.detector, line.ranker)]
        page = PageData(
            title=self.title,
            summary=self.summary,
            runs=runs,
            gallery=gallery,
            gallery_score=self.score,
            gallery_subset=self.subset,
            gallery_run=runs[0].name if runs else "",
            sizes=self._sizes(_evaluated(pairs, ctx.inputs["ap"])),
            losses=_losses([*trained, *ctx.inputs["checkpoint"]]),
            statistics=FaceStatistics.of(statistics[0].rows()) if statistics else None,
            accuracies=[
                (row["name"], row["neighbours"], row["near"], row["every"])
                for each in ctx.inputs["accuracy"]
                for row in each.rows()
            ],
            timings=[_timing(each) for each in artifacts],
            errors=[*_without_ap(runs), *_errors(samples, artifacts), *(f"{ctx.node}: {line}" for line in unseen)],
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

    def _gallery(self, ctx: StageContext, pairs: Pairs) -> tuple[list[GalleryItem], list[str]]:
        """Returns the images to show, and a line for each that can no longer be read."""
        samples = ctx.one("samples")
        read = ImageReader(ctx, samples).read
        paths = {sample.image_id: sample.path for sample, _ in pairs}
        if ctx.inputs["ap"]:
            worst = most_mistakes(pairs, self.score, self.subset, self.gallery)
        else:
            worst = most_detections(pairs, self.score, self.gallery)
        items, unseen = [], []
        for each in worst:
            try:
                items.append(GalleryItem(each, shrink_jpeg(decode(read(paths[each.image_id])))))
            except (OSError, ValueError) as error:  # gone or changed since it was indexed: no reason to lose the page
                unseen.append(f"{each.image_id} is not shown: {error}")
        return items, unseen

    def _sizes(self, pairs: Pairs) -> SizeHistogram | None:
        truth = ground_truth_of(sample for sample, _ in pairs)
        if not any(len(boxes) for boxes in truth.boxes):
            return None
        return size_histogram(truth, PredictionSet.of(found for _, found in pairs), self.score, self.subset)


def _losses(trainings: Iterable[Artifact | None]) -> dict[str, Sequence[float]]:
    losses = {each.node: next(each.rows(["loss"]))["loss"] for each in trainings if each}
    return {name: loss for name, loss in losses.items() if loss}


def _errors(samples: Artifact, artifacts: Sequence[Artifact]) -> list[str]:
    """Returns a line for each row that is an error, where it comes from; what is made of it only carries it along."""
    unreadable = dict(samples.manifest.errors)
    lines = {(key, message): f"{samples.node}: {key}: {message}" for key, message in unreadable.items()}
    for artifact in artifacts:
        for key, message in artifact.manifest.errors:
            if key not in unreadable:
                lines.setdefault((key, message), f"{artifact.node}: {key}: {message}")
    return list(lines.values())


def _joined(samples: Artifact, detections: Artifact) -> Iterator[tuple[Sample, Detections]]:
    found = {each.image_id: each for table in detections.tables() for each in read_detections(table)}
    for row in samples.rows():
        if row["image_id"] in found:
            yield Sample.from_row(row), found[row["image_id"]]


def _evaluated(pairs: Pairs, aps: Sequence[Artifact]) -> Pairs:
    """Returns the images whose faces count in the first run, as its evaluation has it."""
    if aps and aps[0].params.get("unreadable") == "missed":
        return pairs
    errors = ({"image_id": f.image_id, "width": f.width, "height": f.height} for _, f in pairs if f.error is not None)
    left_out = MissingAnswers.of((sample for sample, _ in pairs), errors).unreadable
    return [pair for pair in pairs if pair[0].image_id not in left_out]


def median_edge(samples: Artifact) -> float:
    """Returns the median long edge of the readable images in pixels, 0 without any: where original size is shown."""
    sizes = [max(row["width"], row["height"]) for row in samples.rows(["width", "height"])]
    return float(np.median([size for size in sizes if size])) if any(sizes) else 0.0


def run_result(line: Lineage, original: float, seen_by: Sequence[str]) -> RunResult:
    """Returns an evaluated run as a page shows it.

    Args:
        line: what it came from.
        original: long edge that "original" is shown at, pixels.
        seen_by: the nodes of the candidates of all runs of the page.
    """
    rows = list(line.ap.rows()) if line.ap else []
    counts = {
        row["subset"]: ApCounts(
            row["faces"], row["images"], row["boxes"], np.asarray(row["proposals"]), np.asarray(row["matches"])
        )
        for row in rows
    }
    suppress, predict = line.detections.params, line.candidates.params
    mode = predict.get("mode", "single")
    seen = str(predict.get("canvas") if mode == "single" else mode)
    edge = original if seen == "original" else float(seen) if seen.isdigit() else 0.0
    way, ranker = _way(line)
    trained, weights = _network(line.detector, line.candidates)
    protocol = {
        **(json.loads(rows[0]["protocol"]) if rows else {}),
        **ranker,
        "score_cut": suppress.get("score"),
        "nms": suppress.get("iou"),
        "candidates per image": predict.get("max_candidates"),
        "scales": seen,
        "weights": weights,
    }
    detector = str(predict.get("detector") or trained or published_detector(weights) or "as the weights say")
    # Two runs on the same candidates are named after what was made of them.
    name = line.candidates.node if seen_by.count(line.candidates.node) == 1 else line.detections.node
    ap, times = {row["subset"]: row["ap"] for row in rows}, line.times
    return RunResult(name, detector, seen, protocol, ap, counts, way, edge, times)


def _network(checkpoint: Artifact | None, user: Artifact) -> tuple[str, str]:
    """Returns name and content hash of a network: as it was trained here, or as the file was that a node used."""
    if checkpoint is None:
        return "", str(user.manifest.fingerprint_fields["file_hashes"].get("weights", ""))
    row = next(checkpoint.rows(["detector", "content_hash"]))
    return str(row["detector"]), str(row["content_hash"])


def _way(line: Lineage) -> tuple[str, dict[str, str]]:
    """Returns how candidates became these detections, and what of a ranker belongs to the protocol."""
    stage = line.detections.manifest.fingerprint_fields["stage"]
    if stage == "oracle":
        return "best order (oracle)", {}
    if stage != "rerank":
        return "as detected", {}
    name, weights = _network(line.ranker, line.detections)
    name = name or "a ranker"
    return f"re-ranked by {name}", {
        "ranker": name,
        "ranker weights": weights,
        "ranker sees": line.detections.params["size"],
    }


def _without_ap(runs: Sequence[RunResult]) -> Iterator[str]:
    for run in runs:
        if line := subsets_without_faces({subset: counts.faces for subset, counts in run.counts.items()}):
            yield f"{run.name}: {line}"


def _timing(artifact: Artifact) -> Timing:
    run = artifact.manifest.run
    images = int(run.get("items_computed", 0)) if "image_id" in artifact.manifest.key else 0
    return Timing(artifact.node, float(run.get("wall_seconds", 0)), images, f"peak {run.get('peak_mb', 0)} MB")
