"""A benchmark besides WIDER FACE: the faces of its images, what detections count on them, and how figures are shown.

Counts of parts add up to those of the whole set, to the bit and in any order: the places of images and rows, which
order equal scores, are those in the whole set.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.matching import PLAIN, GivenPredictions
from pipeline.evaluation.benchmark_inputs import WantedImages
from pipeline.evaluation.box_refinement import Fit
from pipeline.evaluation.coco_ap import MAX_DETECTIONS
from pipeline.evaluation.joined_counts import JoinedCounts
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import ResultTable

Content: TypeAlias = Mapping[str, Any]
"""`BenchmarkResult.content`, or what is read of its JSON."""
Positions: TypeAlias = NDArray[np.int64] | None
C = TypeVar("C", bound=JoinedCounts)


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What may be chosen about a benchmark.

    Attributes:
        protocol: "voc" or "face-eval", of PASCAL Face and AFW (see `voc_ap`).
        min_face: pixels; faces with a smaller side are ignored; None as in the protocol.
        category: name of the objects that are faces, where labels have several.
        max_detections: the best so many of an image, of COCO.
        given: what is known about the predictions.
        score: from which on a detection counts, of single faces; None for `single_face.SCORE`.
    """

    protocol: str = "voc"
    min_face: float | None = None
    category: str | None = None
    max_detections: int = MAX_DETECTIONS
    given: GivenPredictions = PLAIN
    score: float | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Figures of a benchmark.

    Attributes:
        lines: to be printed.
        content: plain JSON values, all digits.
        problems: of the input, name -> lines, only those that occurred.
    """

    lines: list[str]
    content: Content
    problems: Mapping[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Returns the content with the problems, as JSON; a figure that does not exist is null."""
        content = {**self.content, "problems": dict(self.problems)}
        return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class BenchmarkSet(ABC, Generic[C]):
    """Some or all images of a benchmark with their faces.

    Class attributes:
        title: in what is printed, and by which the content of a result is recognised.
        note: below a table of several results.
        uses: fields of `BenchmarkOptions` that may be chosen, `given` aside.

    Attributes:
        options: what is chosen.
        numbers: of each image in the whole set, in the order of the labels.
        wanted: its images as predictions from files are compared with them.
        form: of the labels, in words.
        remarks: on the labels, one line each.
    """

    title: ClassVar[str]
    note: ClassVar[str] = "In per cent."
    uses: ClassVar[tuple[str, ...]] = ()

    options: BenchmarkOptions
    numbers: Mapping[str, int]
    wanted: WantedImages
    form: str
    remarks: tuple[str, ...]

    @classmethod
    @abstractmethod
    def read(cls, path: Path, options: BenchmarkOptions, sizes: Sizes | None = None) -> Self:
        """Returns all images of the benchmark.

        Args:
            path: of the labels.
            options: what is chosen.
            sizes: of the images, where the labels need them; None opens the images beside the labels.

        Raises FileNotFoundError, ValueError: labels are missing or malformed; the message says where.
        """

    def entries(self) -> dict[str, str]:
        """Returns what a protocol says about the labels."""
        return {"labels": self.form}

    @abstractmethod
    def restrict(self, image_ids: Collection[str]) -> Self:
        """Returns the part with these of its images only."""

    def measured(self, sizes: Mapping[str, tuple[int, int]]) -> Self:
        """Returns it with the widths and heights of its images, where shapes are cut off at the borders."""
        return self

    @property
    def rounds(self) -> int:
        """How many fits over the whole set its counts need first."""
        return 0

    def fit(self, predictions: PredictionSet, fits: Sequence[Fit], positions: Positions = None) -> Fit:
        """Returns what the hits of its images say after the fits so far; arguments as those of `count`."""
        return Fit.zero()

    @abstractmethod
    def count(self, predictions: PredictionSet, fits: Sequence[Fit] = (), positions: Positions = None) -> C:
        """Returns the counts of its images.

        Args:
            predictions: under the names of the labels; an image without any has none.
            fits: `rounds` of them, over the whole set.
            positions: place of each row in its source, of predictions of exactly these images in their order; None:
                rows by image in the order of the whole set, then as they are.
        """

    @classmethod
    @abstractmethod
    def result(cls, counts: C, options: BenchmarkOptions, protocol: Content) -> BenchmarkResult:
        """Returns the figures.

        Args:
            counts: over all images.
            options: that they were counted with.
            protocol: further entries.

        Raises ValueError: no face counts.
        """

    @classmethod
    @abstractmethod
    def headline(cls, content: Content) -> dict[str, float]:
        """Returns what a result is compared by, shares in 0..1; NaN where no face counts."""

    @classmethod
    @abstractmethod
    def shown(cls, content: Content, name: str) -> tuple[list[Figure], list[ResultTable]]:
        """Returns one result as plots, with the name of its predictions, and in numbers."""

    @classmethod
    @abstractmethod
    def joined_figures(cls, results: Mapping[str, Content]) -> Iterator[Figure]:
        """Yields the plots of several results, the curves of all in each."""


def numbered(image_ids: Iterable[str]) -> dict[str, int]:
    """Returns the images of a whole set with their numbers."""
    return {image_id: number for number, image_id in enumerate(image_ids)}
