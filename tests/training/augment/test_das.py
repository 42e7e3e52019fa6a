"""Data-anchor sampling: index, size and the three readings of it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.das import DataAnchorSampling

DRAWS = 6000


def _draws(scale: float, **settings: object) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(3)
    das = DataAnchorSampling(**settings)  # type: ignore[arg-type]
    return np.array([das.sample(rng, scale) for _ in range(DRAWS)])


@pytest.mark.parametrize(
    ("scale", "top"),
    [(1.0, 1), (23.9, 1), (24.0, 1), (24.1, 2), (60.0, 3), (200.0, 5), (300.0, 5), (5000.0, 5)],
)
def test_at_most_one_size_larger_log_uniform(scale: float, top: int) -> None:
    octaves = np.log2(_draws(scale) / 16)
    assert octaves.min() >= -1 and top + 0.9 < octaves.max() < top + 1
    # An index, uniform in 0..top, and a uniform number in -1..1 on it.
    assert octaves.mean() == pytest.approx(top / 2, abs=0.12)
    wanted = (((top + 1) ** 2 - 1) / 12 + 1 / 3) ** 0.5
    assert octaves.std() == pytest.approx(wanted, rel=0.05)


def test_pyramidbox_is_uniform() -> None:
    drawn = _draws(20.0, sizes=(16.0,), reading="pyramidbox")
    assert 8 <= drawn.min() < 8.1 and 31.9 < drawn.max() <= 32
    assert drawn.mean() == pytest.approx(20, abs=0.5)  # 16.5 if log-uniform
    assert _draws(20.0, sizes=(16.0,)).mean() == pytest.approx(24 / np.log(4), abs=0.5)


def test_pyramidbox_bounds_the_top_index_by_twice_the_face() -> None:
    sizes = (16.0, 32.0, 64.0)
    free, bounded = (_draws(12.0, sizes=sizes, reading=r) for r in ("pyramidbox", "pyramidbox_bounded"))
    assert free.max() > 60  # 2 x 32
    assert 31 < bounded.max() <= 32  # the lower index still reaches 2 x 16
    assert (bounded > 24).mean() == pytest.approx(0.5 / 3, abs=0.03)  # only index 0 gets beyond twice the face
    assert _draws(3.0, sizes=sizes, reading="pyramidbox_bounded").min() >= 8


@pytest.mark.parametrize("sizes", [(), (0.0, 1.0), (2.0, 2.0), (3.0, 2.0)])
def test_refuses_sizes_that_do_not_rise(sizes: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rising numbers above 0"):
        DataAnchorSampling(sizes)
