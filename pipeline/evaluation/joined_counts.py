"""Counts of some images that add up: rows of both are put one after the other, whole numbers are added."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np


class JoinedCounts:
    """Base of a frozen dataclass with ``eq=False``; two are equal where every number is.

    Class attributes:
        rows: names of the fields that have one entry per detection, or per score of an image.
    """

    __slots__ = ()
    rows: ClassVar[tuple[str, ...]]

    def __add__(self, other: Self) -> Self:
        """Returns the counts of both; exact, and of any order of the images the same curve."""
        return type(self)(**{name: self._joined(other, name) for name in _names(self)})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _names(self))

    __hash__ = None  # type: ignore[assignment]

    def _joined(self, other: Self, name: str) -> Any:
        one, another = getattr(self, name), getattr(other, name)
        return np.concatenate([one, another]) if name in self.rows else one + another


def _names(counts: Any) -> list[str]:
    return [each.name for each in fields(counts)]
