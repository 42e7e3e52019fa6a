from __future__ import annotations

import pytest

from pipeline.evaluation.face_statistics import FaceStatistics, ScaleBin


def _row(part: str, name: str, level: int | None, share: float) -> dict[str, object]:
    return {
        "part": part, "name": name, "level": level, "low": 8.0, "high": None, "count": 3, "share": share, "expected": None
    }  # fmt: skip


def test_rows_are_sorted_into_parts_in_their_order() -> None:
    rows = [
        _row("scales", "sse", None, 0.5),
        _row("targets", "sse", 3, 0.1),
        _row("scales", "original", None, 0.25),
        _row("targets", "sse", 2, 0.2),
    ]
    found = FaceStatistics.of(rows)
    assert list(found.scales) == ["sse", "original"]
    assert found.scales["original"] == (ScaleBin(None, 8.0, None, 3, 0.25),)
    assert [(each.level, each.share) for each in found.targets["sse"]] == [(3, 0.1), (2, 0.2)]
    assert found.levels == {}


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(ValueError, match="part 'sizes', expected one of scales, levels, targets"):
        FaceStatistics.of([_row("sizes", "a", None, 0.0)])
