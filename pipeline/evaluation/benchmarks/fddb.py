"""FDDB: the faces are ellipses, the figures those of the discrete and the continuous ROC curve (`fddb_roc`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from markupsafe import Markup

from pipeline.data.datasets.fddb.annotation import LONGEST, FddbLabels, read_fddb
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmark_inputs import WantedImages
from pipeline.evaluation.benchmarks.benchmark_set import (
    BenchmarkOptions,
    BenchmarkResult,
    BenchmarkSet,
    Content,
    Positions,
    numbered,
)
from pipeline.evaluation.box_refinement import Fit
from pipeline.evaluation.curves import dense_curves
from pipeline.evaluation.fddb_roc import OVERLAP, FddbCounts, count_ellipses, curves
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import ResultTable, percent

COMPARED_AT: Final = 1000
"""False positives at which results are compared, or at the end of a curve that is shorter."""
FALSE_POSITIVES: Final = (10, 50, 100, 200, 500, 1000, 2000)
"""At which the rates are given in numbers on a page."""
_PRINTED: Final = (100, 500, 1000, 2000)
_CURVES: Final = {
    "discrete": "Share of the faces on which a detection overlaps the ellipse by more than a half.",
    "continuous": "Sum of the overlaps of detections and ellipses, divided by the number of faces.",
}


@dataclass(frozen=True)
class Fddb(BenchmarkSet[FddbCounts]):
    """Images of FDDB with their ellipses."""

    title = "FDDB"
    note = f"True positive rates in per cent at {COMPARED_AT:,} false positives, or where a shorter curve ends."

    labels: FddbLabels

    @classmethod
    def read(cls, path: Path, options: BenchmarkOptions, sizes: Sizes | None = None) -> Self:
        """Returns all images; the path is the folder of the folds. With `sizes` no photograph is opened."""
        labels = read_fddb(path, measured=sizes is None)
        # Ellipses say nothing about the format of boxes.
        return cls(options, numbered(labels.image_ids), WantedImages(labels.image_ids), "FDDB folds", (), labels)

    def entries(self) -> dict[str, str]:
        """Returns at which borders shapes are cut off."""
        return {"borders": f"of {len(self.labels.sizes)} photographs, of the others 0 and {LONGEST}"}

    def restrict(self, image_ids: Collection[str]) -> Self:
        """Returns the part with these of its images only."""
        labels = self.labels.restrict(image_ids)
        numbers = {name: self.numbers[name] for name in labels.image_ids}
        return replace(self, labels=labels, numbers=numbers, wanted=WantedImages(labels.image_ids))

    def measured(self, sizes: Mapping[str, tuple[int, int]]) -> Self:
        """Returns it with the widths and heights of its images, at which shapes are cut off."""
        return replace(self, labels=replace(self.labels, sizes=dict(sizes)))

    def count(self, predictions: PredictionSet, fits: Sequence[Fit] = (), positions: Positions = None) -> FddbCounts:
        """Returns the counts of its images, in which no order of equal scores matters."""
        return count_ellipses(predictions, self.labels)

    @classmethod
    def result(cls, counts: FddbCounts, options: BenchmarkOptions, protocol: Content) -> BenchmarkResult:
        """Returns both curves."""
        found = curves(counts)
        detections = int(counts.detections.sum())
        lines = [f"FDDB: {found.faces} faces in {found.images} images, {detections} detections"]
        lines.append("false positives  discrete  continuous")
        content = found.to_json()
        for number in _until_the_end(_PRINTED, content["discrete"]):
            discrete, continuous = (_rate(content[kind], number) for kind in _CURVES)
            lines.append(f"{number:>15}  {100 * discrete:8.2f}  {100 * continuous:10.2f}")
        return BenchmarkResult(lines, {**content, "protocol": {"benchmark": cls.title, "overlap": OVERLAP, **protocol}})

    @classmethod
    def headline(cls, content: Content) -> dict[str, float]:
        """Returns both rates at `COMPARED_AT`."""
        return {kind: _rate(content[kind], COMPARED_AT) for kind in _CURVES}

    @classmethod
    def shown(cls, content: Content, name: str) -> tuple[list[Figure], list[ResultTable]]:
        """Returns both curves, and the rates at `FALSE_POSITIVES`."""
        plots = {kind: _roc(kind, f"{kind} ROC", {name: content}) for kind in _CURVES}
        figures = [Figure(f"{kind.title()} ROC curve", plots[kind], [name], note) for kind, note in _CURVES.items()]
        rows = [
            [f"{number:,}", *(percent(_rate(content[kind], number)) for kind in _CURVES)]
            for number in _until_the_end(FALSE_POSITIVES, content["discrete"])
        ]
        note = "Rates in per cent at the last point of the curve with at most so many false positives."
        table = ResultTable("True positive rate", ["False positives", "Discrete", "Continuous"], rows, note)
        return figures, [table]

    @classmethod
    def joined_figures(cls, results: Mapping[str, Content]) -> Iterator[Figure]:
        """Yields a plot of the discrete curves and one of the continuous ones."""
        for kind in _CURVES:
            title = f"{cls.title}: {kind} ROC"
            yield Figure(f"{title} curve", _roc(kind, title, results), list(results))


def _rate(curve: Sequence[Sequence[float]], most: int) -> float:
    """Returns the rate at the last point with at most so many false positives."""
    within = [rate for false_positives, rate, _ in curve if false_positives <= most]
    return within[-1] if within else 0.0


def _until_the_end(numbers: Sequence[int], curve: Sequence[Sequence[float]]) -> list[int]:
    """Returns those of these false positives that a curve goes beyond, and its own last number."""
    last = int(curve[-1][0]) if curve else 0
    return [*(each for each in numbers if each < last), last]


def _roc(kind: str, title: str, results: Mapping[str, Content]) -> Markup:
    # From the origin, where no detection is taken.
    lines = {name: [(0.0, 0.0), *((x, y) for x, y, _ in content[kind])] for name, content in results.items()}
    return dense_curves(lines, title, "false positives", "true positive rate")
