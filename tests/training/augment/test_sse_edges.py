"""Selective scale enhancement at the borders of its rule, with random numbers that are told to it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.training.augment.sse import PAPER_EDGES, SelectiveScale, level_shares


class Told:
    """Gives this number as the share, the last choice of whole ones, and the middle of each range."""

    def __init__(self, share: float) -> None:
        self._share = share

    def random(self) -> float:
        return self._share

    def integers(self, high: int) -> int:
        return high - 1

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def middle(level: int) -> float:
    return (PAPER_EDGES[level] + PAPER_EDGES[level + 1]) / 2


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.0, 3), (math.nextafter(0.25, 0), 3), (0.25, 4), (0.5, 4), (math.nextafter(0.5, 1), 5), (0.99, 5)],
)
def test_which_level_a_number_means(share: float, level: int) -> None:
    scale = SelectiveScale(share_p5=0.25, share_p6=0.25)
    assert scale.sample(Told(share), 100.0) == pytest.approx(middle(level))  # type: ignore[arg-type]


def test_the_official_rest_lies_between_16_pixels_and_p5() -> None:
    scale = SelectiveScale(share_p5=0.25, share_p6=0.25, reading="official")
    assert scale.sample(Told(0.25), 1.0) == pytest.approx(middle(4))  # type: ignore[arg-type]
    assert scale.sample(Told(0.6), 1.0) == pytest.approx((16 + PAPER_EDGES[3]) / 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "edges",
    [
        (0.0, 1.0, 2.0, 30.0, 40.0, 50.0, 60.0),
        (-1.0, 1.0, 2.0, 30.0, 40.0, 50.0, 60.0),
        (1.0, 2.0, 2.0, 30.0, 40.0, 50.0, 60.0),
        (1.0, 2.0, 30.0, 40.0, 50.0, 60.0),
        (1.0, 2.0, 3.0, 30.0, 40.0, 50.0, 60.0, 70.0),
    ],
)
def test_borders_that_are_none_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected seven rising numbers above 0"):
        SelectiveScale(edges=edges)


def test_borders_may_begin_below_one_pixel_and_the_official_p5_only_above_16() -> None:
    SelectiveScale(edges=(0.25, 1.0, 2.0, 30.0, 40.0, 50.0, 60.0))
    small = (1.0, 2.0, 3.0, 16.0, 40.0, 50.0, 60.0)
    SelectiveScale(edges=small)
    with pytest.raises(ValueError, match=r"p5 begins at 16\.0, but the official rule starts at 16\.0"):
        SelectiveScale(edges=small, reading="official")


@pytest.mark.parametrize("shares", [(-0.01, 0.2), (0.2, -0.01), (0.6, 0.5)])
def test_shares_that_are_none_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="at most 1 together"):
        SelectiveScale(share_p5=shares[0], share_p6=shares[1])


@pytest.mark.parametrize("reading", ["paper", "official"])
def test_expected_shares_in_closed_form(reading: str) -> None:
    found = SelectiveScale(share_p5=0.3, share_p6=0.1, reading=reading)  # type: ignore[arg-type]
    if reading == "paper":
        wanted = [0.15, 0.15, 0.15, 0.3, 0.1, 0.15]
    else:
        parts = np.diff([16.0, 20.7, 48.2, 106.2]) / (106.2 - 16) * 0.6
        wanted = [*parts, 0.3, 0.1, 0.0]
    assert found.expected_shares().tolist() == pytest.approx(wanted)


def test_a_border_belongs_to_the_range_above_it() -> None:
    shares = level_shares(np.array([8.4, 20.7, 48.1, 640.0, 8.3, 639.9, 106.2, 212.4]))
    assert shares.tolist() == [1 / 8, 2 / 8, 0, 1 / 8, 1 / 8, 1 / 8]
    assert level_shares(np.zeros(0)).tolist() == [0.0] * 6
    assert level_shares(np.array([3.0]), (1, 2, 3, 4, 5, 6, 7)).tolist() == [0, 0, 1, 0, 0, 0]
