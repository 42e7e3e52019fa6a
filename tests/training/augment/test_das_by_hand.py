"""Single draws of data-anchor sampling, with the same random numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.das import ANCHOR_SIZES, DataAnchorSampling


@pytest.mark.parametrize("scale", [1.0, 12.0, 16.0, 24.0, 24.5, 100.0, 380.0, 400.0, 2000.0])
@pytest.mark.parametrize("reading", ["official", "pyramidbox", "pyramidbox_bounded"])
def test_one_draw(scale: float, reading: str) -> None:
    das = DataAnchorSampling(reading=reading)  # type: ignore[arg-type]
    gaps = [abs(size - scale) for size in ANCHOR_SIZES]
    top = min(gaps.index(min(gaps)) + 1, 5)
    seen = set()
    for seed in range(40):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        index = int(rng.integers(0, top + 1))
        size = ANCHOR_SIZES[index]
        seen.add(index)
        if reading == "official":
            wanted = size * 2 ** rng.uniform(-1, 1)
        else:
            most = 2 * size
            if reading == "pyramidbox_bounded" and index == top and most > 2 * scale:
                most = max(2 * scale, size / 2)
            wanted = rng.uniform(size / 2, most)
        assert das.sample(same, scale) == pytest.approx(wanted)
        assert rng.random() == same.random()  # and no number more is drawn
    assert seen == set(range(top + 1))


def test_sizes_below_one_pixel_and_a_single_one_are_sizes() -> None:
    assert DataAnchorSampling((0.5, 1.0)).sample(np.random.default_rng(0), 0.1) > 0
    assert 4 <= DataAnchorSampling((8.0,)).sample(np.random.default_rng(0), 1e6) <= 16
