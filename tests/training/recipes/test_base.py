"""Recipes name every field that is out of range, and are made of plain values as YAML and JSON have them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from pipeline.training.recipes.base import Recipe
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe


@pytest.mark.parametrize("kind", [DetectorRecipe, RankerRecipe])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps is 0, expected greater than 0"),
        ({"steps": "many"}, "steps is many, expected a valid integer"),
        ({"batch": -1}, "batch is -1, expected greater than 0"),
        ({"images": 0}, "images is 0, expected greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected a finite number"),
        ({"warmup": -1}, "warmup is -1, expected greater than or equal to 0"),
        ({"eval_every": -5}, "eval_every is -5, expected greater than or equal to 0"),
        ({"crop": 31}, "crop is 31, expected greater than or equal to 32"),
        ({"crop_scales": ()}, r"crop_scales is \(\), expected Tuple should have at least 1 item"),
        ({"crop_scales": (0.5, 1.2)}, r"crop_scales is \(0\.5, 1\.2\), expected less than or equal to 1"),
        ({"flip_prob": 1.5}, r"flip_prob is 1\.5, expected less than or equal to 1"),
        ({"momentum": -0.1}, r"momentum is -0\.1, expected greater than or equal to 0"),
        ({"micro_batches": 0}, "micro_batches is 0, expected greater than 0"),
        ({"batch": 2, "micro_batches": 3}, "micro_batches is 3, expected at most the 2 images of a batch"),
        ({"ema_decay": 1.0}, r"ema_decay is 1\.0, expected less than 1"),
        ({"optimizer": "lion"}, "optimizer is lion, expected 'adam', 'adamw' or 'sgd'"),
    ],
)
def test_values_out_of_range_are_named(kind: type[Recipe], change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**change)
    with pytest.raises(ValueError, match=words):
        replace(kind(), **change)  # type: ignore[type-var]


@pytest.mark.parametrize("recipe", [DetectorRecipe(crop=(64, 96)), RankerRecipe(ema_decay=0.5)])
def test_a_recipe_comes_back_from_json(recipe: Recipe) -> None:
    assert type(recipe)(**json.loads(json.dumps(asdict(recipe)))) == recipe  # type: ignore[call-overload]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stepps\n.*Unexpected keyword argument"):
        DetectorRecipe(stepps=4)  # type: ignore[call-arg]
