"""The shape of the learning rate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.training.loop.lr_schedule import exponential_rate, learning_rate
from pipeline.training.recipes.detector import PRESETS, DetectorRecipe


def test_warm_up_then_cosine() -> None:
    rates = [learning_rate(s, 100, 0.01, 10) for s in range(100)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[9] == pytest.approx(0.01)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-5
    assert sum(rates[10:]) == pytest.approx(0.005 * 90, rel=0.01)


def test_published_steps() -> None:
    rates = [learning_rate(s, 250, 1e-3, 0, "steps") for s in range(250)]
    assert rates[189] == pytest.approx(1e-3)
    assert rates[190] == pytest.approx(1e-4)
    assert rates[219] == pytest.approx(1e-4)
    assert rates[220] == pytest.approx(1e-5)


def test_refuses_a_step_outside() -> None:
    with pytest.raises(ValueError, match=r"step 5 .*0\.\.4"):
        learning_rate(5, 5, 1.0, 0)


@pytest.mark.wider
@pytest.mark.parametrize(("suffix", "name"), [("", "baseline"), ("_final", "mogface")])
def test_rates_of_the_released_code(shared: Path, suffix: str, name: str) -> None:
    table = json.loads((shared / "reference/mogface/lr_schedule.json").read_text())
    longer = {reading: replace(PRESETS[reading + suffix], steps=200_001) for reading in ("paper", "official")}
    for step, wanted in zip(table["iters"], table[name], strict=True):
        assert longer["official"].rate(step) == pytest.approx(wanted, rel=1e-9)
        # Behind the last milestone the released rate jumps back; the presets of the paper do not.
        lowest = 0.01 * longer["paper"].learning_rate
        assert longer["paper"].rate(step) == pytest.approx(lowest if step >= 160_000 else wanted, rel=1e-9)


def test_presets_differ_where_paper_and_code_do() -> None:
    """Weight decay; the jump of the rate is behind the last step of either."""
    assert {name: each.weight_decay for name, each in PRESETS.items()} == {
        "paper": 5e-5, "paper_final": 5e-5, "official": 1e-4, "official_final": 1e-4,
    }  # fmt: skip
    for suffix in ("", "_final"):
        paper, official = PRESETS["paper" + suffix], PRESETS["official" + suffix]
        # What colour distortion puts outside 0..255 stays there in the released code.
        assert replace(official, weight_decay=5e-5, lr_reset_step=None, uint8_pixels=True) == paper
        assert (official.uint8_pixels, paper.uint8_pixels) == (False, True)
        assert official.lr_reset_step is not None and official.lr_reset_step > official.steps
        assert (paper.batch, paper.momentum, paper.optimizer, paper.decay_biases) == (28, 0.9, "sgd", True)
    assert [PRESETS[name].clip_norm for name in ("paper", "official_final")] == [None, 5.0]


def test_climb_from_a_start() -> None:
    rates = [learning_rate(s, 20, 0.01, 10, "steps", start=1e-6) for s in range(12)]
    assert rates[0] == 1e-6
    assert rates[5] == pytest.approx(0.0050005)
    assert rates[9] < rates[10] == rates[11] == 0.01


def test_milestones_are_shares_or_steps() -> None:
    recipe = DetectorRecipe(steps=10, warmup=0, decay="steps", learning_rate=1.0)
    for milestones in ((0.5, 1.0), (5, 10), (0.5,)):
        rates = [replace(recipe, milestones=milestones).rate(s) for s in range(10)]
        assert rates == pytest.approx([1.0] * 5 + [0.1] * 5)


def test_exponential_decay_of_the_paper() -> None:
    """CRFace: 1e-3 to 1e-6 over 100,000 steps, the same factor at every step."""
    rates = [exponential_rate(s, 100_000, 1e-3, 1e-6) for s in (0, 33_333, 33_334, 50_000, 99_999)]
    assert rates[0] == 1e-3
    assert rates[1] / rates[2] == pytest.approx(1000 ** (1 / 100_000), rel=1e-9)
    assert rates[3] == pytest.approx(1e-3 * 10**-1.5, rel=1e-9)
    assert rates[4] == pytest.approx(1e-6, rel=1e-4) and rates[4] > 1e-6


def test_exponential_decay_climbs_first_where_asked() -> None:
    plain, climbing = ([exponential_rate(s, 10, 1e-2, 1e-4, warmup) for s in range(10)] for warmup in (0, 4))
    assert [b / a for a, b in zip(plain, climbing, strict=True)] == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 7)
    with pytest.raises(ValueError, match=r"step 10 is not in 0\.\.9"):
        exponential_rate(10, 10, 1e-2, 1e-4)


def test_a_constant_rate_stays() -> None:
    assert {exponential_rate(s, 7, 0.1, 0.1) for s in range(7)} == {0.1}
