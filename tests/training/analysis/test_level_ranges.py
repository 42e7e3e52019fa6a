"""Which scales a level is for: against every overlap computed one by one, and against the paper's Table 2."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.models.detectors.six_levels import square_anchors
from pipeline.training.analysis.level_ranges import Criterion, LevelSweep, sweep_levels
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.augment.sse import CONFIG_EDGES, PAPER_EDGES

INCLUSIVE, PLAIN = BoxCoder(1, 1, pixel_inclusive=True), BoxCoder(0.1, 0.2)


@pytest.fixture(scope="module")
def baseline() -> LevelSweep:
    """MogFace's baseline at 640 pixels."""
    return sweep_levels(square_anchors(), INCLUSIVE, ASSIGNERS["mogface"].build())


def _by_hand(grid: AnchorGrid, side: int, box: np.ndarray) -> tuple[list[int], int]:  # type: ignore[type-arg]
    """Anchors of IoU 0.35 and the best one, per level, and the level of the best, in plain corners."""
    overlaps = []
    for stride, sizes in zip(grid.strides, grid.sizes, strict=True):
        level = []
        for row in range(math.ceil(side / stride)):
            for column in range(math.ceil(side / stride)):
                for size in sizes:
                    low = np.array([column + 0.5, row + 0.5]) * stride - size / 2
                    shared = np.clip(np.minimum(low + size, box[2:]) - np.maximum(low, box[:2]), 0, None).prod()
                    level.append(shared / (size * size + (box[2:] - box[:2]).prod() - shared))
        overlaps.append(np.array(level))
    best = int(np.argmax([each.max() for each in overlaps]))
    counts = [int((each >= 0.35).sum()) for each in overlaps]
    counts[best] += int(overlaps[best].max() < 0.35)
    return counts, best


def test_every_overlap_one_by_one() -> None:
    grid = AnchorGrid((8, 16), ((12.0, 20.0), (40.0,)))
    sweep = sweep_levels(grid, PLAIN, ASSIGNERS["mogface"].build(), side=64, smallest=5.0, positions=3)
    assert sweep.levels == (3, 4)
    assert (sweep.sizes[0], sweep.sizes[-1]) == (5.0, 64.0)
    np.testing.assert_allclose(np.diff(np.log(sweep.sizes)), np.log(64 / 5) / (len(sweep.sizes) - 1))
    for row in range(0, len(sweep.sizes), 23):
        counts, best = np.zeros(2, int), np.zeros(2, int)
        for place in range(3):
            offset = (0.5 + place * np.array([0.7548776662466927, 0.5698402909980532])) % 1 - 0.5
            middle = 32 + 16 * offset
            box = np.concatenate([middle - sweep.sizes[row] / 2, middle + sweep.sizes[row] / 2])
            given, winner = _by_hand(grid, 64, box)
            counts += given
            best[winner] += 1
        assert sweep.anchors[row].tolist() == counts.tolist()
        assert sweep.best[row].tolist() == best.tolist()


def test_every_face_has_one_best_anchor_and_learns_something(baseline: LevelSweep) -> None:
    assert baseline.levels == (2, 3, 4, 5, 6, 7)
    assert (baseline.best.sum(axis=1) == baseline.positions).all()
    assert (baseline.anchors.sum(axis=1) >= baseline.positions).all()


def test_any_ends_where_no_overlap_is_enough(baseline: LevelSweep) -> None:
    """A larger face around an anchor: IoU is the ratio of the areas, in the frame of inclusive corners."""
    found = baseline.ranges("any")
    for level, anchor in enumerate((16, 32, 64, 128, 256)):
        assert found[level] is not None
        assert found[level][1] == pytest.approx((anchor - 1) / math.sqrt(0.35) + 1, rel=0.012)
    assert found[5] is not None
    assert found[5][1] == 640


def test_best_changes_between_two_anchors_where_their_overlaps_are_equal(baseline: LevelSweep) -> None:
    found = baseline.ranges("best")
    assert found[0] is not None and found[0][0] == 8
    for level, anchor in enumerate((16, 32, 64, 128, 256)):
        this, following = found[level], found[level + 1]
        assert this is not None and following is not None
        assert this[1] == following[0]
        assert this[1] == pytest.approx(anchor * math.sqrt(2), rel=0.12)  # exact where both have the face's centre


@pytest.mark.parametrize(
    ("criterion", "borders"),
    [("best", [22.5, 45.0, 89.8, 182.7, 364.6]), ("most", [26.4, 53.7, 107.2, 214.0, 427.0])],
)
def test_borders_that_are_written_down(baseline: LevelSweep, criterion: Criterion, borders: list[float]) -> None:
    found = [each for each in baseline.ranges(criterion) if each]
    np.testing.assert_allclose(found, list(pairwise([8, *borders, 640])), rtol=0.003)


def test_the_released_borders_are_where_another_level_gives_most(baseline: LevelSweep) -> None:
    borders = np.array([each[1] for each in baseline.ranges("most") if each])[:-1]
    np.testing.assert_allclose(borders, CONFIG_EDGES[1:-1], rtol=0.016)
    np.testing.assert_allclose(borders[2:], PAPER_EDGES[3:-1], rtol=0.016)
    assert (PAPER_EDGES[1] / borders[0], PAPER_EDGES[2] / borders[1]) == pytest.approx((0.78, 0.9), abs=0.01)


def test_a_level_that_meets_no_face_has_no_range() -> None:
    grid = AnchorGrid((8, 16, 32), ((16.0,), (16.0,), (400.0,)))
    sweep = sweep_levels(grid, PLAIN, ASSIGNERS["mogface"].build(), side=64, positions=4)
    assert sweep.ranges("any")[2] is None
    assert sweep.ranges("most")[1] is None
    assert sweep.ranges("any")[1] is not None


def test_anchors_given_within_a_range() -> None:
    sweep = LevelSweep((2, 3), np.array([8.0, 16, 32]), 1, np.array([[3, 0], [2, 2], [0, 5]]), np.zeros((3, 2), int))
    assert sweep.given((8, 32)).tolist() == [5, 2]
    assert sweep.given((16.5, 100)).tolist() == [0, 5]
    assert sweep.given((0, 0)).tolist() == [0, 0]
    assert sweep.ranges("most") == ((8.0, pytest.approx(math.sqrt(16 * 32))), (pytest.approx(math.sqrt(16 * 32)), 32.0))
    assert sweep.ranges("any") == ((8.0, pytest.approx(math.sqrt(16 * 32))), (pytest.approx(math.sqrt(8 * 16)), 32.0))


def test_the_callers_random_stream_and_threads_stay(baseline: LevelSweep) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    again = sweep_levels(square_anchors(), INCLUSIVE, ASSIGNERS["mogface"].build(), smallest=300.0, positions=2)
    assert torch.equal(state, torch.get_rng_state()) and threads == torch.get_num_threads()
    assert again.sizes[0] == 300
