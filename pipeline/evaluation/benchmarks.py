"""The benchmarks besides WIDER FACE: FDDB, AFW, PASCAL Face and any COCO set, from files to figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from pipeline.data.datasets.fddb.annotation import LONGEST, read_fddb
from pipeline.data.datasets.labels.reader import LabelFile, read_box_labels
from pipeline.evaluation.benchmark_inputs import BenchmarkDetections, read_detections, read_fddb_lists
from pipeline.evaluation.box_refinement import refined
from pipeline.evaluation.coco_ap import MAX_DETECTIONS, average, count_coco
from pipeline.evaluation.coco_matching import AREAS
from pipeline.evaluation.fddb_roc import OVERLAP, count_ellipses, curves
from pipeline.evaluation.voc_ap import FACE_EVAL, IOU, VOC, average_precision, count_boxes

Benchmark = Literal["fddb", "pascal", "afw", "coco"]
BENCHMARKS: Final[tuple[Benchmark, ...]] = ("fddb", "pascal", "afw", "coco")
PROTOCOLS: Final = {"voc": VOC, "face-eval": FACE_EVAL}
_TITLES: Final = {"fddb": "FDDB", "pascal": "PASCAL Face", "afw": "AFW", "coco": "COCO"}
_SHOWN: Final = (100, 500, 1000, 2000)  # false positives at which FDDB's rates are printed


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Figures of a benchmark.

    Attributes:
        lines: to be printed.
        content: plain JSON values, all digits.
        problems: of the input, name -> lines, only those that occurred.
    """

    lines: list[str]
    content: Mapping[str, Any]
    problems: Mapping[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Returns the content with the problems, as JSON; a figure that does not exist is null."""
        content = {**self.content, "problems": dict(self.problems)}
        return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What may be chosen about a benchmark.

    Attributes:
        protocol: "voc" or "face-eval", of PASCAL Face and AFW (see `voc_ap`).
        min_face: pixels; faces with a smaller side are ignored; None as in the protocol.
        category: name of the objects that are faces, where labels have several.
        max_detections: the best so many of an image, of COCO.
    """

    protocol: str = "voc"
    min_face: float | None = None
    category: str | None = None
    max_detections: int = MAX_DETECTIONS


def evaluate_benchmark(
    benchmark: Benchmark, predictions: Path, labels: Path, options: BenchmarkOptions | None = None
) -> BenchmarkResult:
    """Returns the figures of detections on a benchmark.

    Args:
        benchmark: one of `BENCHMARKS`.
        predictions: see `benchmark_inputs`.
        labels: the folder of FDDB's folds; for the others see `labels.reader`.
        options: what may be chosen; those of other benchmarks are not used.

    Raises FileNotFoundError, ValueError: something is missing or malformed; one line that names file, place, expected
    and found.
    """
    chosen = options or BenchmarkOptions()
    if benchmark == "fddb":
        return _fddb(predictions, labels)
    file = read_box_labels(labels, chosen.category)
    if not file.labels.faces:
        raise ValueError(f"{labels}: expected faces that count, found none in {len(file.labels.image_ids)} images")
    found = read_detections(predictions, file.labels.image_ids, file.ids)
    if benchmark == "coco":
        return _coco(found, file, chosen)
    return _voc(benchmark, found, file, chosen)


def _fddb(predictions: Path, folder: Path) -> BenchmarkResult:
    labels = read_fddb(folder)
    found = read_fddb_lists(predictions, labels.image_ids)
    result = curves(count_ellipses(found.predictions, labels))
    lines = [f"FDDB: {result.faces} faces in {result.images} images, {len(found.predictions.scores)} detections"]
    lines.append("false positives  discrete  continuous")
    last = int(result.false_positives[-1]) if len(result.false_positives) else 0
    for number in [*(each for each in _SHOWN if each < last), last]:
        discrete, continuous = result.at(number)
        lines.append(f"{number:>15}  {100 * discrete:8.2f}  {100 * continuous:10.2f}")
    borders = f"of {len(labels.sizes)} photographs, of the others 0 and {LONGEST}"
    protocol = {"benchmark": "FDDB", "overlap": OVERLAP, "borders": borders, "source": found.source}
    return BenchmarkResult(lines, {**result.to_json(), "protocol": protocol}, _problems(found))


def _voc(
    benchmark: Benchmark, found: BenchmarkDetections, file: LabelFile, options: BenchmarkOptions
) -> BenchmarkResult:
    if options.protocol not in PROTOCOLS:
        raise ValueError(f"--protocol {options.protocol}: expected {' or '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[options.protocol]
    if options.min_face is not None:
        protocol = replace(protocol, min_face=options.min_face)
    predictions, positions = refined(found.predictions, file.labels, protocol, found.positions)
    counts = count_boxes(predictions, file.labels, protocol, positions)
    curve = average_precision(counts)
    line = f"{_TITLES[benchmark]}: AP {100 * curve.ap:.2f}  ({counts.faces} faces in {counts.images} images)"
    content = {
        "images": counts.images,
        "faces": counts.faces,
        "ap": curve.ap,
        "curve": list(
            map(list, zip(curve.recall.tolist(), curve.precision.tolist(), curve.scores.tolist(), strict=True))
        ),
        "protocol": {
            "benchmark": _TITLES[benchmark],
            "name": protocol.name,
            "iou": IOU,
            "reached_with_equality": protocol.name == "voc",
            "pixel_inclusive": True,
            "min_face": protocol.min_face,
            "min_box": protocol.min_box if math.isfinite(protocol.min_box) else None,
            "refinements": protocol.rounds - 1,
            "labels": file.form,
            "source": found.source,
        },
    }
    words = f"protocol {protocol.name}: faces under {protocol.min_face:g} px ignored, {protocol.rounds - 1} refinements"
    return BenchmarkResult([line, words], content, _problems(found, file))


def _coco(found: BenchmarkDetections, file: LabelFile, options: BenchmarkOptions) -> BenchmarkResult:
    counts = count_coco(found.predictions, file.labels, max_detections=options.max_detections)
    figures = average(counts, options.max_detections).figures()
    shown = {name: "–" if math.isnan(value) else f"{100 * value:.2f}" for name, value in figures.items()}
    lines = [f"COCO: {counts.faces[0]} faces in {counts.images} images"]
    lines += [f"{name:<9}{value:>6}" for name, value in shown.items()]
    content = {
        "images": counts.images,
        "faces": int(counts.faces[0]),
        **{name: None if math.isnan(value) else value for name, value in figures.items()},
        "protocol": {
            "benchmark": "COCO",
            "max_detections": options.max_detections,
            "areas": AREAS,
            "faces_by_area": dict(zip(AREAS, counts.faces.tolist(), strict=True)),
            "labels": file.form,
            "source": found.source,
        },
    }
    return BenchmarkResult(lines, content, _problems(found, file))


def _problems(found: BenchmarkDetections, file: LabelFile | None = None) -> dict[str, list[str]]:
    problems = {**found.problems, "labels": list(file.remarks) if file else []}
    return {name: lines for name, lines in problems.items() if lines}
