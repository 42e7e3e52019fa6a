"""Cells cover the canvas, and the heights that they are for follow the law."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.data.datasets.mosaic.cells import HeightDistribution

FULL = HeightDistribution(7680, 4320, 9, 4100)


def drawn(distribution: HeightDistribution, canvases: int) -> np.ndarray:
    return np.array(
        [cell.face for index in range(canvases) for cell in distribution.cells(np.random.default_rng(index))]
    )


def test_a_cell_of_each_depth_is_for_one_octave() -> None:
    assert FULL.edges() == [4100, 2050, 1025, 512.5, 256.25, 9] and FULL.shares()[-1] == pytest.approx(1)
    # By hand: five octaves of one doubling each but the last, log2(256.25 / 9) = 4.83, on 1, 1/4, 1/16, ... canvases.
    assert FULL.shares()[0] == pytest.approx(1 / (1 + 1 / 4 + 1 / 16 + 1 / 64 + np.log2(256.25 / 9) / 256))


@pytest.mark.parametrize("distribution", [FULL, HeightDistribution(300, 201, 5, 150, 1.5, 20)])
def test_cells_cover_the_canvas_once_and_can_hold_their_face(distribution: HeightDistribution) -> None:
    for seed in range(6):
        covered = np.zeros((distribution.height, distribution.width), np.uint8)
        for cell in distribution.cells(np.random.default_rng(seed)):
            covered[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width] += 1
            assert cell.height >= min(distribution.height, distribution.finest) - 1
            assert distribution.smallest <= cell.face <= min(distribution.largest, cell.height)
        assert (covered == 1).all()


@pytest.mark.parametrize("tilt", [0.0, 1.0])
def test_distributionfollow_the_law(tilt: float) -> None:
    heights = drawn(HeightDistribution(7680, 4320, 9, 4100, tilt), 1500)
    edges = [9, 18, 36, 72, 144, 288, 576, 1152, 2304, 4100]
    counts = np.histogram(heights, edges)[0]
    mass = [np.log(b / a) if not tilt else (1 / a - 1 / b) for a, b in pairwise(edges)]
    expected = np.array(mass) / sum(mass) * len(heights)
    assert len(heights) > 8_000
    # Cells of one canvas are no independent draws: their number varies more than a Poisson number does.
    np.testing.assert_allclose(counts, expected, atol=12 * np.sqrt(expected.max()), rtol=0.12)


def test_a_small_canvas_is_one_cell() -> None:
    assert [
        (c.x, c.y, c.width, c.height) for c in HeightDistribution(100, 64, 8, 60).cells(np.random.default_rng(0))
    ] == [(0, 0, 100, 64)]


def test_depths_end_where_no_height_is_left() -> None:
    assert HeightDistribution(7680, 4320, 600, 4100).edges() == [4100, 2050, 1025, 600]
