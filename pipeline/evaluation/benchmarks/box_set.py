"""Benchmarks whose faces are boxes, from labels of any form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.datasets.labels.reader import LabelFile, read_box_labels
from pipeline.evaluation.benchmark_inputs import WantedImages
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkSet, C, numbered
from pipeline.evaluation.curves import dense_curves
from pipeline.evaluation.plot_frame import Figure


@dataclass(frozen=True)
class BoxSet(BenchmarkSet[C]):
    """Base of the benchmarks with boxes; refuses labels without a face that counts.

    Attributes:
        file: the faces, and what belongs to their file; of a part the faces alone.
    """

    file: LabelFile

    @classmethod
    def read(cls, path: Path, options: BenchmarkOptions, sizes: Sizes | None = None) -> Self:
        """Returns all images; the path is one that `labels.reader` takes."""
        file = read_box_labels(path, options.category, sizes=sizes)
        if not file.labels.faces:
            raise ValueError(f"{path}: expected faces that count, found none in {len(file.labels.image_ids)} images")
        return cls(options, numbered(file.labels.image_ids), file.form, file)

    @property
    def labels(self) -> BoxLabels:
        """The faces of these images."""
        return self.file.labels

    @property
    def remarks(self) -> tuple[str, ...]:
        """On the labels, one line each."""
        return self.file.remarks

    @property
    def wanted(self) -> WantedImages:
        """Its images with their boxes, against which the format of predictions is checked."""
        return WantedImages.of(self.file)

    def restrict(self, image_ids: Collection[str]) -> Self:
        """Returns the part with these of its images only."""
        wanted = set(image_ids)
        rows = [row for row, image_id in enumerate(self.labels.image_ids) if image_id in wanted]
        numbers = {image_id: number for image_id, number in self.numbers.items() if image_id in wanted}
        return replace(self, numbers=numbers, file=LabelFile(self.labels.select(rows), self.form))


def precision_figure(title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Returns the plot of several results' precision over recall."""
    return Figure(title, dense_curves(lines, title, "recall", "precision"), list(lines))
