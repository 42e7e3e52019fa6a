"""Canvases and tiles at their smallest."""

from __future__ import annotations

import pytest

from pipeline.data.canvas import Tile, tiles


@pytest.mark.parametrize(("halo", "multiple"), [(-1, 32), (0, 0), (0, -1)])
def test_a_halo_below_zero_and_a_multiple_below_one_are_refused(halo: int, multiple: int) -> None:
    with pytest.raises(
        ValueError, match=rf"halo must be at least 0 and multiple at least 1, got {halo} and {multiple}"
    ):
        tiles(100, 100, 64, halo, multiple)


def test_no_halo_and_any_pixel() -> None:
    assert tiles(5, 2, 2, 0, 1) == [
        Tile((0, 0, 2, 2), (0, 0, 2, 2)), Tile((2, 0, 4, 2), (2, 0, 4, 2)), Tile((4, 0, 5, 2), (4, 0, 5, 2)),
    ]  # fmt: skip
