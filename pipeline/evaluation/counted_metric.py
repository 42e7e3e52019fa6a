"""The base of what is counted beside AP, at a setting that is asked for: a metric is a subclass in a file of its own.

Its name in `metrics.METRICS` is what it is called everywhere: a parameter of the stage `evaluate`, an option of
`wider8k evaluate` (`_` becomes `-`), and a key of that command's JSON. Nothing else has to know it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import pyarrow as pa

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet

Figures = Mapping[str, Any]  # column of `COMPARISON` -> value, without those that are null


class CountedMetric(ABC):
    """Whole counts over some images, which add up exactly; an instance is what was counted.

    Class attributes:
        ap_columns: of its values in a row of `AP`, which is of one subset; all nullable.
        table_columns: of its figures in a row of `COMPARISON`, which is of one evaluation; all nullable.
        titles: of what tables show of it.
    """

    __slots__ = ()
    ap_columns: ClassVar[tuple[pa.Field, ...]]
    table_columns: ClassVar[tuple[pa.Field, ...]]
    titles: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def count(cls, predictions: PredictionSet, truth: WiderGroundTruth, setting: Any) -> Self:
        """Returns the counts over all images of the ground truth, with or without faces or predictions.

        Args:
            predictions: rows in any order; images that the ground truth does not have are left out.
            truth: faces, and which of them count in each subset.
            setting: not None.
        """

    @abstractmethod
    def __add__(self, other: Self) -> Self:
        """Returns the counts of both; raises ValueError where their settings differ."""

    @abstractmethod
    def row(self, subset: str) -> Mapping[str, Any]:
        """Returns the values of `ap_columns` for one subset."""

    @abstractmethod
    def to_json(self) -> Mapping[str, Any]:
        """Returns plain JSON values."""

    @abstractmethod
    def line(self, subset: str, faces: int) -> str:
        """Returns what the command prints, for a subset and how many faces count in it."""

    @classmethod
    @abstractmethod
    def figures(cls, hard: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of `table_columns` for a row of `AP` of the hard faces, in which it was counted."""

    @classmethod
    @abstractmethod
    def texts(cls, figures: Figures) -> Sequence[str]:
        """Returns what a table shows, one text per title."""

    @classmethod
    @abstractmethod
    def at(cls, figures: Figures) -> str:
        """Returns the setting as it follows a title, such as " at 0.5"; rows of different settings do not compare."""
