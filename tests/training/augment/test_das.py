"""Data-anchor sampling: the distribution, and single samples by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.das import ANCHOR_SIZES, DataAnchorSampling

SAMPLES = 6000


def _samples(scale: float) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(3)
    return np.array([DataAnchorSampling().sample(rng, scale) for _ in range(SAMPLES)])


@pytest.mark.parametrize(
    ("scale", "top"), [(1.0, 1), (23.9, 1), (24.0, 1), (24.1, 2), (60.0, 3), (200.0, 5), (300.0, 5), (5000.0, 5)]
)
def test_at_most_one_size_larger_log_uniform(scale: float, top: int) -> None:
    octaves = np.log2(_samples(scale) / 16)
    assert octaves.min() >= -1 and top + 0.9 < octaves.max() < top + 1
    # An index, uniform in 0..top, and a uniform number in -1..1 on it.
    assert octaves.mean() == pytest.approx(top / 2, abs=0.12)
    wanted = (((top + 1) ** 2 - 1) / 12 + 1 / 3) ** 0.5
    assert octaves.std() == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("scale", [1.0, 12.0, 16.0, 24.0, 24.5, 100.0, 380.0, 400.0, 2000.0])
def test_single_samples_by_hand(scale: float) -> None:
    gaps = [abs(size - scale) for size in ANCHOR_SIZES]
    top = min(gaps.index(min(gaps)) + 1, 5)
    seen = set()
    for seed in range(40):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        index = int(rng.integers(0, top + 1))
        size = ANCHOR_SIZES[index]
        seen.add(index)
        wanted = size * 2 ** rng.uniform(-1, 1)
        assert DataAnchorSampling().sample(same, scale) == pytest.approx(wanted)
        assert rng.random() == same.random()  # no other random number was used
    assert seen == set(range(top + 1))


def test_sizes_below_one_pixel_and_a_single_one_are_sizes() -> None:
    assert DataAnchorSampling((0.5, 1.0)).sample(np.random.default_rng(0), 0.1) > 0
    assert 4 <= DataAnchorSampling((8.0,)).sample(np.random.default_rng(0), 1e6) <= 16


@pytest.mark.parametrize("sizes", [(), (0.0, 1.0), (2.0, 2.0), (3.0, 2.0)])
def test_refuses_sizes_that_do_not_rise(sizes: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rising numbers above 0"):
        DataAnchorSampling(sizes)
