"""Benchmarks whose faces are boxes, from labels of any form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.datasets.labels.reader import read_box_labels
from pipeline.evaluation.benchmark_inputs import WantedImages
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkSet, C, numbered
from pipeline.evaluation.curves import dense_curves
from pipeline.evaluation.plot_frame import Figure


@dataclass(frozen=True)
class BoxSet(BenchmarkSet[C]):
    """Base of the benchmarks with boxes; refuses labels without a face that counts."""

    labels: BoxLabels

    @classmethod
    def read(cls, path: Path, options: BenchmarkOptions, sizes: Sizes | None = None) -> Self:
        """Returns all images; the path is one that `labels.reader` takes."""
        file = read_box_labels(path, options.category, sizes=sizes)
        if not file.labels.faces:
            raise ValueError(f"{path}: expected faces that count, found none in {len(file.labels.image_ids)} images")
        numbers = numbered(file.labels.image_ids)
        return cls(options, numbers, WantedImages.of(file), file.form, file.remarks, file.labels)

    def restrict(self, image_ids: Collection[str]) -> Self:
        """Returns the part with these of its images only."""
        wanted = set(image_ids)
        labels = self.labels.select(row for row, name in enumerate(self.labels.image_ids) if name in wanted)
        numbers = {name: self.numbers[name] for name in labels.image_ids}
        return replace(self, labels=labels, numbers=numbers, wanted=WantedImages(labels.image_ids))


def precision_figure(title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Returns the plot of several results' precision over recall."""
    return Figure(title, dense_curves(lines, title, "recall", "precision"), list(lines))
