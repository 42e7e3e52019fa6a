"""Figures of the benchmarks besides WIDER FACE from counts of all their images: what is printed, and what is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pipeline.evaluation.coco_ap import MAX_DETECTIONS, CocoCounts, average
from pipeline.evaluation.coco_matching import AREAS
from pipeline.evaluation.fddb_roc import OVERLAP, FddbCounts, curves
from pipeline.evaluation.voc_ap import IOU, VocCounts, VocProtocol, average_precision

BenchmarkName = Literal["fddb", "pascal", "afw", "coco", "single"]
BENCHMARKS: Final[tuple[BenchmarkName, ...]] = ("fddb", "pascal", "afw", "coco", "single")
TITLES: Final[Mapping[BenchmarkName, str]] = {
    "fddb": "FDDB",
    "pascal": "PASCAL Face",
    "afw": "AFW",
    "coco": "COCO",
    "single": "Single face",
}
DRAWN: Final = ("0.50", "0.75", "0.90")
"""Overlaps of COCO whose curves are kept."""
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


def fddb_result(counts: FddbCounts, protocol: Mapping[str, Any]) -> BenchmarkResult:
    """Returns both curves of FDDB; `protocol` adds to its entries. Raises ValueError: there is no face."""
    result = curves(counts)
    detections = int(counts.detections.sum())
    lines = [f"FDDB: {result.faces} faces in {result.images} images, {detections} detections"]
    lines.append("false positives  discrete  continuous")
    last = int(result.false_positives[-1]) if len(result.false_positives) else 0
    for number in [*(each for each in _SHOWN if each < last), last]:
        discrete, continuous = result.at(number)
        lines.append(f"{number:>15}  {100 * discrete:8.2f}  {100 * continuous:10.2f}")
    return BenchmarkResult(
        lines, {**result.to_json(), "protocol": {"benchmark": "FDDB", "overlap": OVERLAP, **protocol}}
    )


def voc_result(
    benchmark: BenchmarkName, counts: VocCounts, chosen: VocProtocol, protocol: Mapping[str, Any]
) -> BenchmarkResult:
    """Returns AP and curve of PASCAL Face, AFW or a set of single faces.

    Args:
        benchmark: whose.
        counts: over all images.
        chosen: what they were counted by.
        protocol: further entries.

    Raises ValueError: no face counts.
    """
    curve = average_precision(counts)
    title = TITLES[benchmark]
    line = f"{title}: AP {100 * curve.ap:.2f}  ({counts.faces} faces in {counts.images} images)"
    points = zip(curve.recall.tolist(), curve.precision.tolist(), curve.scores.tolist(), strict=True)
    content = {
        "images": counts.images,
        "faces": counts.faces,
        "ap": curve.ap,
        "curve": list(map(list, points)),
        "protocol": {
            "benchmark": title,
            "name": chosen.name,
            "iou": IOU,
            "reached_with_equality": chosen.name == "voc",
            "pixel_inclusive": True,
            "min_face": chosen.min_face,
            "min_box": chosen.min_box if math.isfinite(chosen.min_box) else None,
            "refinements": chosen.rounds - 1,
            **protocol,
        },
    }
    words = f"protocol {chosen.name}: faces under {chosen.min_face:g} px ignored, {chosen.rounds - 1} refinements"
    return BenchmarkResult([line, words], content)


def coco_result(
    counts: CocoCounts, protocol: Mapping[str, Any], max_detections: int = MAX_DETECTIONS
) -> BenchmarkResult:
    """Returns COCO's figures, AP at each overlap, and the curves of `DRAWN`; arguments as those of `voc_result`.

    Raises ValueError: no face counts.
    """
    result = average(counts, max_detections)
    figures, by_overlap = result.figures(), result.by_overlap()
    shown = {name: "–" if math.isnan(value) else f"{100 * value:.2f}" for name, value in figures.items()}
    lines = [f"COCO: {counts.faces[0]} faces in {counts.images} images"]
    lines += [f"{name:<9}{value:>6}" for name, value in shown.items()]
    places = {name: list(by_overlap).index(name) for name in DRAWN}
    content = {
        "images": counts.images,
        "faces": int(counts.faces[0]),
        **{name: None if math.isnan(value) else value for name, value in figures.items()},
        "by_overlap": by_overlap,
        "curves": {name: result.curves[0, place].tolist() for name, place in places.items()},
        "protocol": {
            "benchmark": "COCO",
            "max_detections": max_detections,
            "areas": AREAS,
            "faces_by_area": dict(zip(AREAS, counts.faces.tolist(), strict=True)),
            **protocol,
        },
    }
    return BenchmarkResult(lines, content)
