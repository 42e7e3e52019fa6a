"""Ranges of a detector's recipe; its choices are those of the tables; the shape of its learning rate."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline.engine.registry import Registry
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.augment.policy import POLICIES
from pipeline.training.recipes.detector import PRESETS, DetectorRecipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": ()}, r"crop is \(\)"),
        ({"crop": (64, 31)}, r"crop is \(64, 31\)"),
        ({"sse_shares": (0.8, 0.3)}, "sse_shares: shares 0.8, 0.3 add up to 1.1"),
        ({"sse_shares": (0.2,)}, "sse_shares: 1 shares, expected two"),
        ({"sse_shares": (0.2, 0.2, 0.2, 0.2, 0.1, 0.0)}, "sse_shares: .* add up to 0.9, expected 1"),
        ({"sse_shares": (0.2, float("nan"))}, r"sse_shares is \(0.2, nan\), expected a finite number"),
        ({"augmentation": "sse_official", "sse_shares": (0.5, 0.1, 0.1, 0.1, 0.1, 0.1)}, "two for sse_official"),
        ({"milestones": (0.8, 0.5)}, r"milestones is \(0.8, 0.5\), expected rising numbers"),
        ({"milestones": (0.0, 0.5)}, "milestones is"),
        ({"warmup_start": 0.0}, "warmup_start is 0.0"),
        ({"context_weight": float("nan")}, "context_weight is nan"),
        ({"first_shot_weight": -1.0}, "first_shot_weight is -1.0"),
        ({"min_face": -1.0}, "min_face is -1.0"),
        ({"assigner": 3}, "assigner is 3, expected a valid string"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectorRecipe(**change)


def test_one_side_or_several() -> None:
    assert DetectorRecipe(crop=96).sides == (96,)
    assert DetectorRecipe(crop=(64, 96)).sides == (64, 96)


@pytest.mark.parametrize(
    ("field", "table", "more", "near", "wrong"),
    [("augmentation", POLICIES, [], "das", "dsa"), ("assigner", ASSIGNERS, ["auto"], "atss", "atsss")],
)
def test_an_entry_is_one_of_its_table(
    field: str, table: Registry[Any], more: list[str], near: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*more, *table]
    assert [getattr(DetectorRecipe(**{field: name}), field) for name in names] == names
    words = f"no {field} is called '{wrong}' (did you mean '{near}'?; choices: {', '.join(names)})"
    with pytest.raises(ValueError, match=re.escape(words)):
        DetectorRecipe(**{field: wrong})
    monkeypatch.setitem(table, wrong, table[near])
    assert getattr(DetectorRecipe(**{field: wrong}), field) == wrong
    listed = TypeAdapter(DetectorRecipe).json_schema()["properties"][field]
    assert (listed["enum"], listed["default"]) == ([*names, wrong], getattr(DetectorRecipe(), field))


def test_warm_up_then_cosine() -> None:
    recipe = DetectorRecipe(steps=100, learning_rate=0.01, warmup=10)
    rates = [recipe.rate(s) for s in range(100)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[9] == pytest.approx(0.01)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-5
    assert sum(rates[10:]) == pytest.approx(0.005 * 90, rel=0.01)


def test_published_steps() -> None:
    recipe = DetectorRecipe(steps=250, learning_rate=1e-3, warmup=0, decay="steps")
    rates = [recipe.rate(s) for s in range(250)]
    assert rates[189] == pytest.approx(1e-3)
    assert rates[190] == pytest.approx(1e-4)
    assert rates[219] == pytest.approx(1e-4)
    assert rates[220] == pytest.approx(1e-5)


def test_refuses_a_step_outside() -> None:
    with pytest.raises(ValueError, match=r"step 5 .*0\.\.4"):
        DetectorRecipe(steps=5, warmup=0).rate(5)


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
    recipe = DetectorRecipe(steps=20, learning_rate=0.01, warmup=10, warmup_start=1e-6, decay="steps")
    rates = [recipe.rate(s) for s in range(12)]
    assert rates[0] == 1e-6
    assert rates[5] == pytest.approx(0.0050005)
    assert rates[9] < rates[10] == rates[11] == 0.01


def test_milestones_are_shares_or_steps() -> None:
    recipe = DetectorRecipe(steps=10, warmup=0, decay="steps", learning_rate=1.0)
    for milestones in ((0.5, 1.0), (5, 10), (0.5,)):
        rates = [replace(recipe, milestones=milestones).rate(s) for s in range(10)]
        assert rates == pytest.approx([1.0] * 5 + [0.1] * 5)
