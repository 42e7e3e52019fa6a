"""Any set by COCO's figures: the mean AP of ten overlaps, by overlap and by area, and average recall (`coco_ap`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult, Content, Positions
from pipeline.evaluation.benchmarks.box_set import BoxSet, precision_figure
from pipeline.evaluation.box_refinement import Fit
from pipeline.evaluation.coco_ap import RECALLS, CocoCounts, average, count_coco
from pipeline.evaluation.coco_matching import AREAS
from pipeline.evaluation.curves import dense_curves, line_plot
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import NONE, ResultTable, percent

DRAWN: Final = ("0.50", "0.75", "0.90")
"""Overlaps whose curves are kept."""
_COMPARED: Final = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100")


@dataclass(frozen=True)
class CocoSet(BoxSet[CocoCounts]):
    """Images of any set with boxes."""

    title = "COCO"
    uses: ClassVar[tuple[str, ...]] = ("category", "max_detections")

    def count(self, predictions: PredictionSet, fits: Sequence[Fit] = (), positions: Positions = None) -> CocoCounts:
        """Returns the counts of its images; equal scores are ordered by image and rank, whatever the positions are."""
        chosen = predictions.select(self.labels.image_ids)
        return count_coco(chosen, self.labels, list(self.numbers.values()), self.options.max_detections)

    @classmethod
    def result(cls, counts: CocoCounts, options: BenchmarkOptions, protocol: Content) -> BenchmarkResult:
        """Returns COCO's figures, AP at each overlap, and the curves of `DRAWN`."""
        found = average(counts, options.max_detections)
        figures, by_overlap = found.figures(), found.by_overlap()
        shown = {name: "–" if math.isnan(value) else f"{100 * value:.2f}" for name, value in figures.items()}
        lines = [f"COCO: {counts.faces[0]} faces in {counts.images} images"]
        lines += [f"{name:<9}{value:>6}" for name, value in shown.items()]
        places = {name: list(by_overlap).index(name) for name in DRAWN}
        content = {
            "images": counts.images,
            "faces": int(counts.faces[0]),
            **{name: None if math.isnan(value) else value for name, value in figures.items()},
            "by_overlap": by_overlap,
            "curves": {name: found.curves[0, place].tolist() for name, place in places.items()},
            "protocol": {
                "benchmark": cls.title,
                "max_detections": options.max_detections,
                "areas": AREAS,
                "faces_by_area": dict(zip(AREAS, counts.faces.tolist(), strict=True)),
                **protocol,
            },
        }
        return BenchmarkResult(lines, content)

    @classmethod
    def headline(cls, content: Content) -> dict[str, float]:
        """Returns AP, by overlap and by area, and average recall."""
        return {name: np.nan if content[name] is None else content[name] for name in _COMPARED if name in content}

    @classmethod
    def shown(cls, content: Content, name: str) -> tuple[list[Figure], list[ResultTable]]:
        """Returns the curves at three overlaps, AP by overlap, and all figures."""
        curves = {f"overlap {overlap}": _points(content, overlap) for overlap in content["curves"]}
        plot = dense_curves(curves, "Precision over recall", "recall", "precision")
        note = "At three overlaps, of faces of every area; precision at 101 recalls, made to fall."
        by_overlap = [(float(overlap), 100 * ap) for overlap, ap in content["by_overlap"].items()]
        bars = line_plot({name: by_overlap}, "AP by overlap", "overlap", "AP, %")
        figures = [
            Figure("Precision and recall", plot, list(curves), note),
            Figure("AP by overlap", bars, [name], "How exactly boxes are placed: COCO's AP is the mean of these ten."),
        ]
        names = [key for key in content if key.startswith(("ap", "ar"))]
        rows = [[key, NONE if content[key] is None else percent(content[key])] for key in names]
        return figures, [ResultTable("COCO's figures", ["Figure", "%"], rows)]

    @classmethod
    def joined_figures(cls, results: Mapping[str, Content]) -> Iterator[Figure]:
        """Yields a plot per overlap."""
        for overlap in DRAWN:
            lines = {name: _points(content, overlap) for name, content in results.items()}
            yield precision_figure(f"{cls.title}: precision and recall at overlap {overlap}", lines)


def _points(content: Content, overlap: str) -> list[tuple[float, float]]:
    return list(zip(RECALLS.tolist(), content["curves"][overlap], strict=True))
