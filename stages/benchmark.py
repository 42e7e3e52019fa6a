"""Detections against the faces of FDDB, PASCAL Face, AFW, a COCO set or single faces, counted shard by shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from pipeline.data.datasets.files import hash_files
from pipeline.data.datasets.labels.labelled_files import LABEL_ENDINGS
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.image_names import NameIndex
from pipeline.data.image_sets import require_known_images
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Sample, read_detections
from pipeline.data.schemas import BENCHMARK, DETECTIONS, SAMPLES
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import NODE, Port, Row, StageContext, WholeStage
from pipeline.evaluation.benchmark_fields import unused
from pipeline.evaluation.benchmark_page import benchmark_page
from pipeline.evaluation.benchmarks import BENCHMARKS, BenchmarkName
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult, BenchmarkSet
from pipeline.evaluation.benchmarks.single_face import SCORE
from pipeline.evaluation.box_refinement import Fit
from pipeline.evaluation.joined_counts import JoinedCounts
from pipeline.evaluation.missing_answers import notes_of
from stages.evaluate import images_of_shards, missing_answers

ABSENT = "images_absent"
"""Entry of a protocol: images of the labels that the samples do not have, which are left out."""


class Benchmark(WholeStage):
    """The figures that `wider8k evaluate --benchmark` gives of the same detections, with the node's `path` as labels.

    Of FDDB the path is the folder of the folds; of the others labels of any form of `labels.forms.FORMS`. Images are
    compared by name as by `NameIndex`.

    Attributes:
        benchmark: whose protocol: "fddb", "pascal", "afw" or "coco"; "single" for one face to an image, as in FFHQ.
        protocol: of PASCAL Face and AFW: "voc", or "face-eval" (30 px, boxes shifted and scaled, as published).
        min_face: pixels; faces of PASCAL Face and AFW with a smaller side are ignored; None as in the protocol.
        category: name of the objects that are faces, where the labels have several.
        max_detections: the best so many of an image, of COCO.
        score: from which on a detection counts, of single faces.
        unreadable: what becomes of images that could not be read: "left_out", or their faces are "missed".
    """

    name: ClassVar[str] = "benchmark"
    version: ClassVar[str] = "2"
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "detections": Port(DETECTIONS)}
    output: ClassVar[pa.Schema] = BENCHMARK

    benchmark: BenchmarkName
    protocol: Literal["voc", "face-eval"] = "voc"
    min_face: float | None = Field(None, ge=0, allow_inf_nan=False)
    category: str | None = None
    max_detections: int = Field(100, ge=1)
    score: float = Field(SCORE, allow_inf_nan=False)
    unreadable: Literal["left_out", "missed"] = "left_out"

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where no labels are given or they are not there, or a field of another benchmark is set."""
        if not path:
            raise ValueError(f"path: expected the labels of the benchmark, found none: --set {NODE}.path=PATH")
        if not Path(path).exists():
            raise ValueError(f"path: no labels at {path}: expected those of {self.benchmark}")
        fields = type(self).model_fields
        chosen = [each.name for each in dataclass_fields(BenchmarkOptions) if each.name in fields]
        if found := unused(self.benchmark, (name for name in chosen if getattr(self, name) != fields[name].default)):
            names, users = found
            only = " or ".join(each for each in users if each in BENCHMARKS)
            raise ValueError(f"{', '.join(names)}: expected with {only} only, found {self.benchmark}")

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns the hash of the labels, and of the names of images beside them: YOLO's form lists none."""
        return {"labels": _hash(Path(path))} if path else {}

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row.

        Raises:
            ValueError: labels are malformed, do not have an image of the samples or changed since the run was planned;
                no face counts or no image could be read.
        """
        samples, detections = ctx.one("samples"), ctx.one("detections")
        require_known_images(detections, samples)
        path = Path(ctx.path or "")
        if _hash(path) != ctx.file_hashes["labels"]:
            raise ValueError(f"{path}: expected the labels that this run was planned with, found others")
        rows = [Sample.from_row(row) for row in samples.rows()]
        shards = images_of_shards(detections)
        without = missing_answers(rows, detections, shards)
        left_out = without.unreadable if self.unreadable == "left_out" else frozenset()
        sizes_of_labels = partial(_sizes, [row for row in rows if row.image_id not in left_out])
        part = BENCHMARKS[self.benchmark].read(path, self._options(), sizes_of_labels)
        for line in part.remarks:
            ctx.log(line)
        names = _names(samples.node, rows, path, part)
        shown = {name: known for name, known in names.items() if name not in left_out}
        if not shown:
            raise ValueError(f"{detections.node}: none of {len(rows)} images could be read: nothing to evaluate")
        absent = len(part.numbers) - len(names)
        sizes = {names[each.image_id]: (each.width, each.height) for each in rows if each.width and each.height}
        part = part.restrict(shown.values()).measured(sizes)
        counts = _counted(ctx, part, detections, shards, shown)
        more = {
            "labels": part.form,
            "source": "a run",
            **without.counts(left_out),
            **({ABSENT: absent} if absent else {}),
            **part.entries(),
        }
        result = part.result(counts, part.options, more)
        yield {"benchmark": self.benchmark, "lines": result.lines, "content": result.to_json()}

    def notes(self, output: Artifact) -> list[str]:
        """Returns how many images have no answer or are not there, and what that means."""
        row = next(output.rows(["content"]), None)
        protocol = json.loads(row["content"])["protocol"] if row else {}
        lines = notes_of(protocol, f"--set {output.node}.unreadable=missed")
        if protocol.get(ABSENT):
            lines.append(f"{protocol[ABSENT]} images of the labels are not in the samples: left out")
        return lines

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the figures as Markdown, with all digits as JSON, and as a page with their curves."""
        return {
            f"{node}.md": _markdown,
            f"{node}.json": lambda rows: str(rows[0]["content"]).encode(),
            f"{node}.html": partial(_page, node),
        }

    def _options(self) -> BenchmarkOptions:
        return BenchmarkOptions(self.protocol, self.min_face, self.category, self.max_detections, score=self.score)


@dataclass(frozen=True)
class _Task:
    """One shard: its name, the labels of its images, and how these are called there."""

    shard: str
    part: BenchmarkSet[Any]
    names: Mapping[str, str]


def _hash(labels: Path) -> str:
    return hash_files(labels, LABEL_ENDINGS, claims_to_be_image)


def _sizes(samples: Sequence[Sample], names: Sequence[str]) -> NDArray[np.int32]:
    """Returns int32 [N, 2], width and height in pixels of labelled images, for boxes that are shares of them.

    They are those of the samples, whose pixels the detections are in, so that they are a part of the node's identity.
    """
    index = NameIndex(names)
    known = {index.find(each.image_id): (each.width, each.height) for each in samples}
    # Faces of other images count nowhere, and are of any size.
    return np.array([known.get(name, (1, 1)) for name in names], np.int32).reshape(-1, 2)


def _names(node: str, samples: Sequence[Sample], path: Path, part: BenchmarkSet[Any]) -> dict[str, str]:
    """Returns image of the samples -> its name in the labels."""
    index = NameIndex(part.numbers)
    found = {each.image_id: index.find(each.image_id) for each in samples}
    if unknown := [name for name, known in found.items() if known is None]:
        raise ValueError(
            f"{node}: {len(unknown)} of {len(found)} images are not in the labels {path}: {', '.join(unknown[:3])}"
        )
    own: dict[str, str] = {}
    for name, known in found.items():
        if known is not None and own.setdefault(known, name) != name:
            raise ValueError(f"{node}: {own[known]} and {name} are both {known} of the labels {path}")
    return {name: known for known, name in own.items()}


def _counted(
    ctx: StageContext,
    part: BenchmarkSet[Any],
    detections: Artifact,
    shards: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
) -> JoinedCounts:
    """Returns the counts of all images of a part; each shard's worker gets the labels of its own images alone."""
    tasks, rest = [], set(part.numbers)
    for shard, keys in shards.items():
        own = {key: names[key] for key in keys if key in names}
        tasks.append(_Task(shard, part.restrict(own.values()), own))
        rest.difference_update(own.values())
    fits: list[Fit] = []
    for _ in range(part.rounds):
        fits.append(sum(ctx.fan_out(partial(_fit, detections, tuple(fits)), tasks), Fit.zero()))
    counts = ctx.fan_out(partial(_count, detections, tuple(fits)), tasks)
    # Images without a row in the detections still have faces that count.
    counts.append(part.restrict(rest).count(PredictionSet.of([]), fits))
    total: JoinedCounts = reduce(add, counts)
    return total


def _predictions(detections: Artifact, task: _Task) -> PredictionSet:
    """Returns the detections of a shard under the names of the labels."""
    rows = read_detections(detections.table(task.shard))
    return PredictionSet.of(
        replace(row, image_id=task.names[row.image_id]) for row in rows if row.image_id in task.names
    )


def _fit(detections: Artifact, fits: Sequence[Fit], task: _Task) -> Fit:
    return task.part.fit(_predictions(detections, task), fits)


def _count(detections: Artifact, fits: Sequence[Fit], task: _Task) -> JoinedCounts:
    counts: JoinedCounts = task.part.count(_predictions(detections, task), fits)
    return counts


def _markdown(rows: Sequence[Row]) -> bytes:
    return "".join(f"    {line}\n" for line in rows[0]["lines"]).encode()


def _page(node: str, rows: Sequence[Row]) -> bytes:
    content = json.loads(rows[0]["content"])
    return benchmark_page(BenchmarkResult(rows[0]["lines"], content, content["problems"]), node).encode()
