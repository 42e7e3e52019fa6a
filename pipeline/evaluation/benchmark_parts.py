"""A benchmark cut into parts: the labels of some images, and what their detections count.

Counts of parts add up to those of the whole set, to the bit and in any order: the places of images and rows, which
order equal scores, are those in the whole set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.fddb.annotation import FddbLabels, read_fddb
from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmark_results import BenchmarkName
from pipeline.evaluation.benchmarks import BenchmarkOptions, read_counted_labels
from pipeline.evaluation.box_refinement import Fit, counted, fit_boxes
from pipeline.evaluation.coco_ap import CocoCounts, count_coco
from pipeline.evaluation.fddb_roc import FddbCounts, count_ellipses
from pipeline.evaluation.single_face import require_single
from pipeline.evaluation.voc_ap import VocCounts, count_boxes

Counts = FddbCounts | VocCounts | CocoCounts
Labels = FddbLabels | BoxLabels
_RANKS = 32  # bits of a position for the rank within its image


@dataclass(frozen=True)
class BenchmarkPart:
    """The labels of some images of a benchmark.

    Attributes:
        benchmark: which one.
        options: what was chosen about it.
        labels: of these images.
        numbers: of each image in the whole set.
        form: of the labels' file, in words.
        remarks: on the labels, one line each.
    """

    benchmark: BenchmarkName
    options: BenchmarkOptions
    labels: Labels
    numbers: Mapping[str, int]
    form: str
    remarks: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, benchmark: BenchmarkName, path: Path, options: BenchmarkOptions, sizes: Sizes | None = None
    ) -> BenchmarkPart:
        """Returns all images of a benchmark.

        Args:
            benchmark: which one.
            path: the folder of FDDB's folds; of the others as `labels.reader` takes it.
            options: what is chosen.
            sizes: of the images, for boxes that are shares of them; None opens the images beside the labels.

        Raises FileNotFoundError, ValueError: labels are missing or malformed; the message says where.
        """
        labels: Labels
        if benchmark == "fddb":
            labels, form, remarks = read_fddb(path, measured=False), "FDDB folds", tuple[str, ...]()
        else:
            file = read_counted_labels(path, options.category, sizes)
            labels, form, remarks = file.labels, file.form, file.remarks
            if benchmark == "single":
                require_single(labels, path)
        numbers = {image_id: number for number, image_id in enumerate(labels.image_ids)}
        return cls(benchmark, options, labels, numbers, form, remarks)

    def restrict(self, image_ids: Collection[str]) -> BenchmarkPart:
        """Returns the part with these of its images only."""
        wanted = set(image_ids)
        labels: Labels
        if isinstance(self.labels, FddbLabels):
            labels = self.labels.restrict(wanted)
        else:
            rows = [row for row, image_id in enumerate(self.labels.image_ids) if image_id in wanted]
            labels = self.labels.select(rows)
        numbers = {image_id: number for image_id, number in self.numbers.items() if image_id in wanted}
        return replace(self, labels=labels, numbers=numbers)

    def measured(self, sizes: Mapping[str, tuple[int, int]]) -> BenchmarkPart:
        """Returns it with the widths and heights of its images, at which FDDB's shapes are cut off."""
        if not isinstance(self.labels, FddbLabels):
            return self
        return replace(self, labels=replace(self.labels, sizes=dict(sizes)))

    @property
    def rounds(self) -> int:
        """How many fits over the whole set its counts need first: those of ``face-eval``, else 0."""
        return self.options.voc().rounds - 1 if self.benchmark in ("pascal", "afw") else 0

    def fit(self, predictions: PredictionSet, fits: Sequence[Fit]) -> Fit:
        """Returns what the hits of its images say after the fits so far; arguments as those of `count`."""
        assert isinstance(self.labels, BoxLabels), "FDDB has no fits"
        chosen = predictions.select(self.labels.image_ids)
        boxes, positions = counted(chosen, self.options.voc(), self._positions(chosen), fits)
        return fit_boxes(boxes, self.labels, self.options.voc(), positions)

    def count(self, predictions: PredictionSet, fits: Sequence[Fit] = ()) -> Counts:
        """Returns the counts of its images.

        Args:
            predictions: under the names of the labels; an image without any has none.
            fits: `rounds` of them, over the whole set.
        """
        if isinstance(self.labels, FddbLabels):
            return count_ellipses(predictions, self.labels)
        chosen = predictions.select(self.labels.image_ids)
        if self.benchmark == "coco":
            return count_coco(chosen, self.labels, list(self.numbers.values()), self.options.max_detections)
        protocol = self.options.voc()
        boxes, positions = counted(chosen, protocol, self._positions(chosen), fits)
        return count_boxes(boxes, self.labels, protocol, positions)

    def _positions(self, chosen: PredictionSet) -> NDArray[np.int64]:
        """Returns int64 [N]: rows by image in the order of the whole set, then as they are."""
        numbers = np.array(list(self.numbers.values()), np.int64)
        images = chosen.image_rows()
        ranks = np.arange(len(images)) - chosen.offsets[images]
        return (numbers[images] << _RANKS) + ranks
