"""Scales of faces, counted earlier, in the order in which a page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ScaleBin:
    """One bin of scales, one level's range, or the sizes sampled for a level: a row of `schemas.STATISTICS`.

    Attributes:
        level: log2 of the level's stride, None for a bin.
        low: pixels (root of the area), inclusive; None where there is no border.
        high: pixels, exclusive; likewise.
        count: faces, anchors or sizes.
        share: in 0..1.
        expected: the share in closed form, None where there is none.
    """

    level: int | None
    low: float | None
    high: float | None
    count: int
    share: float
    expected: float | None = None


Bins = tuple[ScaleBin, ...]


@dataclass(frozen=True, slots=True)
class FaceStatistics:
    """The three parts of the statistics, each by name in the order of the rows.

    Attributes:
        scales: "original" or an augmentation -> faces per bin of their scale.
        levels: reading -> the range of scales of each level.
        targets: augmentation -> sizes that faces are brought to, per level.
    """

    scales: Mapping[str, Bins] = field(default_factory=dict)
    levels: Mapping[str, Bins] = field(default_factory=dict)
    targets: Mapping[str, Bins] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> FaceStatistics:
        """Returns the statistics of rows of `schemas.STATISTICS`.

        Raises:
            ValueError: a row is of no known part.
        """
        parts: dict[str, dict[str, Bins]] = {"scales": {}, "levels": {}, "targets": {}}
        for row in rows:
            if row["part"] not in parts:
                raise ValueError(f"a row of part {row['part']!r}, expected one of {', '.join(parts)}")
            named = parts[row["part"]]
            values = (row[column] for column in ("level", "low", "high", "count", "share", "expected"))
            named[row["name"]] = (*named.get(row["name"], ()), ScaleBin(*values))
        return cls(**parts)
