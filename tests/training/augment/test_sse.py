"""Selective scale enhancement: shares per level, in closed form and sampled, the released code's, and borders of the rule."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.training.augment.sse import CONFIG_EDGES, PAPER_EDGES, SelectiveScale

SAMPLES = 200_000
EDGES = {"config_ranges": CONFIG_EDGES, "paper_ranges": PAPER_EDGES}


def _samples(sse: SelectiveScale, count: int = SAMPLES) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(61)
    return np.array([sse.sample(rng, 30.0) for _ in range(count)])


def level_shares(targets: np.ndarray, edges: tuple[float, ...] = PAPER_EDGES) -> np.ndarray:  # type: ignore[type-arg]
    """The share of the targets in the range of each of p2..p7, of which a border begins the one above it."""
    levels = np.digitize(targets, edges) - 1
    return np.array([(levels == level).sum() for level in range(6)]) / max(len(targets), 1)


@pytest.mark.wider
@pytest.mark.parametrize("which", EDGES)
def test_shares_of_both_variants(shared: Path, which: str) -> None:
    z = np.load(shared / "reference" / "mogface" / "sse.npz")
    np.testing.assert_array_equal(EDGES[which], z[f"edges_{which}"])
    paper, official = SelectiveScale(EDGES[which]), SelectiveScale(EDGES[which], variant="official")
    np.testing.assert_allclose(paper.expected_shares(), z[f"paper_algorithm2_expected_{which}"], atol=1e-12)
    np.testing.assert_allclose(official.expected_shares(), z[f"as_coded_expected_{which}"], atol=1e-6)
    sampled = level_shares(_samples(official), EDGES[which])
    deviation = np.sqrt(0.25 / SAMPLES)  # of a share, at most
    np.testing.assert_allclose(sampled, z[f"as_coded_freq_{which}"], atol=5 * np.sqrt(2) * deviation)
    np.testing.assert_allclose(sampled, z[f"as_coded_expected_{which}"], atol=5 * deviation)
    assert sampled[5] == 0  # never p7


@pytest.mark.parametrize("edges", EDGES.values())
def test_the_paper_reaches_every_level(edges: tuple[float, ...]) -> None:
    sse = SelectiveScale(edges)
    sampled = _samples(sse)
    np.testing.assert_allclose(level_shares(sampled, edges), sse.expected_shares(), atol=5 * np.sqrt(0.25 / SAMPLES))
    for low, high in pairwise(edges):  # uniform within a level's range
        inside = sampled[(sampled >= low) & (sampled < high)]
        assert inside.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))
        assert inside.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.02)


@pytest.mark.wider
def test_published_targets_have_the_same_distribution(shared: Path) -> None:
    z = np.load(shared / "reference" / "mogface" / "sse.npz")
    theirs = np.sort(z["as_coded_sampled_target_scales_first20000"].astype(np.float64))
    ours = np.sort(_samples(SelectiveScale(CONFIG_EDGES, variant="official"), 50_000))
    both = np.concatenate([theirs, ours])
    one, other = (np.searchsorted(each, both, "right") / len(each) for each in (theirs, ours))
    gap = np.abs(one - other).max()
    assert gap < 1.95 * np.sqrt(1 / len(theirs) + 1 / len(ours))  # Kolmogorov-Smirnov, one in a thousand


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_other_shares(variant: str) -> None:
    sse = SelectiveScale(shares=(0.5, 0.4), variant=variant)  # type: ignore[arg-type]
    assert sse.expected_shares()[3:5] == pytest.approx([0.5, 0.4])
    np.testing.assert_allclose(level_shares(_samples(sse, 20_000)), sse.expected_shares(), atol=0.018)
    assert sse.expected_shares().sum() == pytest.approx(1)


@pytest.mark.parametrize("variant", ["paper", "official"])
@pytest.mark.parametrize(("p5", "p6"), [(1.0, 0.0), (0.0, 1.0), (0.75, 0.25), (0.9, 0.1), (0.7, 0.3)])
def test_shares_that_add_up_to_1_leave_nothing_for_the_others(p5: float, p6: float, variant: str) -> None:
    sse = SelectiveScale(shares=(p5, p6), variant=variant)  # type: ignore[arg-type]
    np.testing.assert_allclose(sse.expected_shares(), [0, 0, 0, p5, p6, 0], atol=1e-15)
    assert sse.expected_shares().min() >= 0
    sampled = level_shares(_samples(sse, 2000))
    np.testing.assert_allclose(sampled, [0, 0, 0, p5, p6, 0], atol=5 * np.sqrt(0.25 / 2000))
    assert sampled[3] + sampled[4] == 1


def test_every_pair_of_written_shares_that_is_1_together_is_allowed() -> None:
    """Some of them are more than 1 in binary: 0.35 + 0.65 is not."""
    for thousandths in range(1001):
        SelectiveScale(shares=(thousandths / 1000, float(f"{1 - thousandths / 1000:.3f}")))


def test_a_share_of_every_level() -> None:
    shares = (0.1, 0.0, 0.4, 0.2, 0.25, 0.05)
    sse = SelectiveScale(shares=shares)
    assert sse.expected_shares().tolist() == pytest.approx(shares)
    sampled = level_shares(_samples(sse, 20_000))
    np.testing.assert_allclose(sampled, shares, atol=5 * np.sqrt(0.25 / 20_000))
    assert sampled[1] == 0
    for level, (low, high) in enumerate(pairwise(PAPER_EDGES)):
        alone = SelectiveScale(shares=tuple(float(level == other) for other in range(6)))
        only = _samples(alone, 50)
        assert (only >= low).all() and (only < high).all()


def test_six_shares_may_be_written_short() -> None:
    """Six times 0.166667 is 1.000002 and six times 0.1666667 is 1.0000002."""
    sse = SelectiveScale(shares=(0.1666667,) * 6)
    assert sse.expected_shares().sum() == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match="add up to 1.0002"):
        SelectiveScale(shares=(0.1667,) * 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": (0.0, 1.0, 2.0, 30.0, 40.0, 50.0, 60.0)}, "seven rising numbers above 0"),
        ({"edges": (-1.0, 1.0, 2.0, 30.0, 40.0, 50.0, 60.0)}, "seven rising numbers above 0"),
        ({"edges": (1.0, 2.0, 30.0, 40.0, 50.0, 60.0)}, "seven rising numbers"),
        ({"edges": (1.0, 2.0, 3.0, 30.0, 40.0, 50.0, 60.0, 70.0)}, "seven rising numbers"),
        ({"edges": (8.4, 20.7, 20.7, 106.2, 212.4, 420.8, 640.0)}, "seven rising numbers"),
        ({"shares": (0.7, 0.4)}, "shares 0.7, 0.4 add up to 1.1, .*at most 1 together"),
        ({"shares": (0.7, 0.301)}, "at most 1 together"),
        ({"shares": (float("nan"), 0.16)}, "at most 1 together"),
        ({"shares": (0.5, 0.4, 0.1)}, "3 shares, expected two"),
        ({"shares": (0.2, 0.2, 0.2, 0.2, 0.1, 0.0)}, "p2 to p7 add up to 0.9, expected 1"),
        ({"shares": (0.5, 0.5, 0.5, -0.5, 0.0, 0.0)}, "none below 0"),
        ({"shares": (0.5, 0.1, 0.1, 0.1, 0.1, 0.1), "variant": "official"}, "official rule has shares of p5 and p6"),
        ({"shares": (0.2, -0.01)}, "at most 1 together"),
        ({"shares": (-0.01, 0.16)}, "at most 1 together"),
        ({"edges": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), "variant": "official"}, "starts at 16"),
    ],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelectiveScale(**change)  # type: ignore[arg-type]


class Fixed:
    """A generator of this number as the share, the last of whole numbers, and the middle of each range."""

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
def test_level_of_a_random_number(share: float, level: int) -> None:
    scale = SelectiveScale(shares=(0.25, 0.25))
    assert scale.sample(Fixed(share), 100.0) == pytest.approx(middle(level))  # type: ignore[arg-type]


def test_the_official_rest_lies_between_16_pixels_and_p5() -> None:
    scale = SelectiveScale(shares=(0.25, 0.25), variant="official")
    assert scale.sample(Fixed(0.25), 1.0) == pytest.approx(middle(4))  # type: ignore[arg-type]
    assert scale.sample(Fixed(0.6), 1.0) == pytest.approx((16 + PAPER_EDGES[3]) / 2)  # type: ignore[arg-type]


def test_borders_may_begin_below_one_pixel_and_the_official_p5_only_above_16() -> None:
    SelectiveScale(edges=(0.25, 1.0, 2.0, 30.0, 40.0, 50.0, 60.0))
    small = (1.0, 2.0, 3.0, 16.0, 40.0, 50.0, 60.0)
    SelectiveScale(edges=small)
    with pytest.raises(ValueError, match=r"p5 begins at 16\.0, but the official rule starts at 16\.0"):
        SelectiveScale(edges=small, variant="official")


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_expected_shares_in_closed_form(variant: str) -> None:
    found = SelectiveScale(shares=(0.3, 0.1), variant=variant)  # type: ignore[arg-type]
    if variant == "paper":
        wanted = [0.15, 0.15, 0.15, 0.3, 0.1, 0.15]
    else:
        parts = np.diff([16.0, 20.7, 48.2, 106.2]) / (106.2 - 16) * 0.6
        wanted = [*parts, 0.3, 0.1, 0.0]
    assert found.expected_shares().tolist() == pytest.approx(wanted)
