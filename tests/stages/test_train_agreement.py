from __future__ import annotations

import json

import pytest

from pipeline.boxes.agreement import Agreement
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.rankers.agreement import open_agreement
from tests.stages.agreeing import RECIPE, agreeing
from tests.stages.world import World


@pytest.fixture
def two(world: World) -> World:
    agreeing(world)
    del world.nodes["ranked"]
    return world


def test_a_checkpoint_has_all_that_its_use_needs(two: World) -> None:
    two.done("labelled.score=0.05", "labelled.iou=0.35")
    (row,) = two.rows("ranker", "labelled.score=0.05", "labelled.iou=0.35")
    ranker = open_agreement(row["weights"])
    assert (ranker.agreement, ranker.sets) == (Agreement(score=0.05, iou=0.35), 2)
    assert row["detector"] == "agreement"
    assert row["content_hash"] == Checkpoint(row["weights"]).content_hash
    assert json.loads(row["config"])["recipe"] == {**RECIPE, "learning_rate": 2e-3, "weight_decay": 0.3, "seed": 0}
    assert two.store.read("ranker.safetensors") == row["weights"]
    entries = [json.loads(line) for line in two.store.read("ranker.jsonl").splitlines()]
    assert [entry["step"] for entry in entries] == [20, 40, 60]
    assert [entry["loss"]["total"] for entry in entries] == pytest.approx(row["loss"])


def test_the_same_boxes_give_the_same_bytes_and_another_seed_others(two: World) -> None:
    two.done()
    before = two.artifact("ranker").manifest.content_hash
    two.store.delete_folder("ranker")
    two.done()
    assert two.artifact("ranker").manifest.content_hash == before
    two.done("ranker.recipe.seed=1")
    assert two.artifact("ranker", "ranker.recipe.seed=1").manifest.content_hash != before


def test_three_dumps_are_three_sets(two: World) -> None:
    two.node("third", "guess", inputs={"samples": "images"}, jitter=0.05)
    two.nodes["labelled"]["inputs"]["candidates"] = ["one", "other", "third"]
    two.done()
    (row,) = two.rows("ranker")
    assert open_agreement(row["weights"]).sets == 3


def test_nothing_to_learn_from_names_the_node(two: World) -> None:
    failed = two.run("labelled.score=0.9999").failed["ranker"]
    assert "labelled: no box counts in any subset: nothing to learn from" in failed


def test_a_recipe_out_of_range_is_refused(two: World) -> None:
    with pytest.raises(ValueError, match=r"ranker.recipe.batch"):
        two.plan("ranker.recipe.batch=0")
