"""PASCAL Face and AFW: average precision as PASCAL VOC or the toolbox face-eval computes it (`voc_ap`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult, Content, Positions
from pipeline.evaluation.benchmarks.box_set import BoxSet, precision_figure
from pipeline.evaluation.box_refinement import Fit, counted, fit_boxes
from pipeline.evaluation.curves import dense_curves
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import NONE, ResultTable, percent
from pipeline.evaluation.voc_ap import FACE_EVAL, IOU, VOC, VocCounts, VocProtocol, average_precision, count_boxes

PROTOCOLS: Final = {"voc": VOC, "face-eval": FACE_EVAL}
RECALLS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""At which a precision is given in numbers."""
_RANKS = 32  # bits of a position for the rank within its image


@dataclass(frozen=True)
class VocSet(BoxSet[VocCounts]):
    """Base of the benchmarks with one AP at one overlap."""

    uses: ClassVar[tuple[str, ...]] = ("protocol", "min_face", "category")

    @classmethod
    def protocol_of(cls, options: BenchmarkOptions) -> VocProtocol:
        """Returns the protocol that is chosen; raises ValueError where it is none."""
        if options.protocol not in PROTOCOLS:
            raise ValueError(f"--protocol {options.protocol}: expected {' or '.join(PROTOCOLS)}")
        found = PROTOCOLS[options.protocol]
        return found if options.min_face is None else replace(found, min_face=options.min_face)

    @property
    def rounds(self) -> int:
        """How many fits over the whole set its counts need first: those of ``face-eval``, else 0."""
        return self.protocol_of(self.options).rounds - 1

    def fit(self, predictions: PredictionSet, fits: Sequence[Fit], positions: Positions = None) -> Fit:
        """Returns what the hits of its images say after the fits so far."""
        boxes, protocol, places = self._counted(predictions, fits, positions)
        return fit_boxes(boxes, self.labels, protocol, places)

    def count(self, predictions: PredictionSet, fits: Sequence[Fit] = (), positions: Positions = None) -> VocCounts:
        """Returns the counts of its images."""
        boxes, protocol, places = self._counted(predictions, fits, positions)
        return count_boxes(boxes, self.labels, protocol, places)

    def _counted(
        self, predictions: PredictionSet, fits: Sequence[Fit], positions: Positions
    ) -> tuple[PredictionSet, VocProtocol, NDArray[np.int64]]:
        """Returns the detections that count, their boxes after the fits, the protocol, and their positions."""
        chosen, protocol = predictions.select(self.labels.image_ids), self.protocol_of(self.options)
        if positions is None:
            images = chosen.image_rows()
            ranks = np.arange(len(images)) - chosen.offsets[images]
            positions = (np.array(list(self.numbers.values()), np.int64)[images] << _RANKS) + ranks
        boxes, places = counted(chosen, protocol, positions, fits)
        return boxes, protocol, places

    @classmethod
    def result(cls, counts: VocCounts, options: BenchmarkOptions, protocol: Content) -> BenchmarkResult:
        """Returns AP and its curve."""
        chosen, curve = cls.protocol_of(options), average_precision(counts)
        line = f"{cls.title}: AP {100 * curve.ap:.2f}  ({counts.faces} faces in {counts.images} images)"
        points = zip(curve.recall.tolist(), curve.precision.tolist(), curve.scores.tolist(), strict=True)
        content = {
            "images": counts.images,
            "faces": counts.faces,
            "ap": curve.ap,
            "curve": list(map(list, points)),
            "protocol": {
                "benchmark": cls.title,
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

    @classmethod
    def headline(cls, content: Content) -> dict[str, float]:
        """Returns AP."""
        return {"ap": content["ap"]}

    @classmethod
    def shown(cls, content: Content, name: str) -> tuple[list[Figure], list[ResultTable]]:
        """Returns the curve, and the precision at `RECALLS`."""
        plot = dense_curves({name: _points(content)}, "Precision over recall", "recall", "precision")
        note = f"Average precision {percent(content['ap'])} %: the area below the curve once it never rises."
        figure = Figure("Precision and recall", plot, [name], note)
        recall, precision, scores = np.array(content["curve"], np.float64).reshape(-1, 3).T
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        rows = []
        for wanted in RECALLS:
            place = int(np.searchsorted(recall, wanted))
            known = place < len(recall)
            cells = [percent(float(envelope[place])), f"{scores[place]:.4g}"] if known else [NONE, NONE]
            rows.append([percent(wanted, 0), *cells])
        note = "In per cent; the score from which on it holds."
        return [figure], [ResultTable("Precision at a recall", ["Recall", "Precision", "Score"], rows, note)]

    @classmethod
    def joined_figures(cls, results: Mapping[str, Content]) -> Iterator[Figure]:
        """Yields one plot."""
        lines = {name: _points(content) for name, content in results.items()}
        yield precision_figure(f"{cls.title}: precision and recall", lines)


class PascalFace(VocSet):
    """PASCAL Face."""

    title = "PASCAL Face"


class Afw(VocSet):
    """AFW."""

    title = "AFW"


def _points(content: Content) -> list[tuple[float, float]]:
    return [(recall, precision) for recall, precision, _ in content["curve"]]
