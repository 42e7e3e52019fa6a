"""A ranker in a session: equal bytes, resumed anywhere, started from given weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import open_ranker, save_bytes
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.session import Training
from pipeline.training.loop.trainer import TrainingError
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.ranker import RankerTask
from tests.training.in_memory import RankedInMemory, ranked_squares
from tests.training.loop.square_trainings import NEVER
from tests.training.sessions import Killed, log, trained, until

RECIPE = RankerRecipe(steps=5, batch=4, crop=64, num_candidates=50, pairs=3, learning_rate=3e-3, final_rate=1e-3)
EXAMPLES = ranked_squares(rows=RECIPE.num_candidates)


def training(folder: Path, recipe: RankerRecipe = RECIPE, name: str = "crface_mobilenet", **change: Any) -> Training:
    task = RankerTask(name, recipe, change.pop("model_args", {}), change.pop("weights", None))
    batches = BatchSampler(RankedInMemory(EXAMPLES, change.pop("broken", ())), recipe.batch, recipe.seed, recipe.sides)
    return replace(Training(task, batches, Store(str(folder)), "work", checkpoint_seconds=1e-9), **change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("crface_mobilenet", {}),
        ("roi_mobilenet", {"ema_decay": 0.5, "micro_batches": 2, "norms": "frozen", "bf16": True}),
    ],
)
def test_stopped_anywhere_it_ends_with_the_same_bytes(tmp_path: Path, name: str, change: dict[str, Any]) -> None:
    recipe = replace(RECIPE, **change)
    whole = training(tmp_path / "whole", recipe, name, checkpoint_seconds=NEVER)
    one = training(tmp_path / "stopped", recipe, name)
    expected = trained(whole)
    for step in (1, 4):
        with pytest.raises(Killed):
            trained(one, until(step))
    assert trained(one) == expected
    assert log(one) == log(whole)
    assert [entry["step"] for entry in log(whole)] == [1, 2, 3, 4, 5]
    assert all(0 < entry["ordered"] < entry["pairs"] for entry in log(whole))


def test_another_seed_gives_other_bytes_and_the_checkpoint_opens(tmp_path: Path) -> None:
    model_args = {"sampling": "average"}
    first, second = (
        trained(
            training(tmp_path / f"{seed}", replace(RECIPE, seed=seed), model_args=model_args, checkpoint_seconds=NEVER)
        )
        for seed in (0, 1)
    )
    weights, others = Checkpoint(first).tensors, Checkpoint(second).tensors
    assert not any(torch.equal(weights[name], others[name]) for name in weights if name.endswith("conv.weight"))
    name, ranker = open_ranker(first)
    assert name == "crface_mobilenet" and ranker.num_candidates == 50 and not ranker.training
    config = Checkpoint(first).config
    assert config is not None
    assert config["model_args"] == {"num_candidates": 50, "sampling": "average"}
    assert RankerRecipe(**config["recipe"]) == RECIPE


def test_it_starts_from_a_ranker_or_from_a_detectors_body(tmp_path: Path) -> None:
    still = replace(RECIPE, steps=1, learning_rate=1e-12, final_rate=1e-12, norms="frozen")
    torch.manual_seed(7)
    detector = DETECTORS["retinaface_mobilenet"].build()
    body = save_bytes("retinaface_mobilenet", detector, {})
    came_out = trained(training(tmp_path / "body", still, weights=body))
    began = Checkpoint(came_out).tensors
    for name, value in detector.state_dict().items():
        if name.startswith("backbone."):
            assert torch.allclose(began[name], value, atol=1e-9), name
    went_on = Checkpoint(trained(training(tmp_path / "on", replace(still, seed=3), weights=came_out))).tensors
    assert all(torch.allclose(value, went_on[name], atol=1e-9) for name, value in began.items())


def test_memory_may_be_saved() -> None:
    for checkpointed in (False, True):
        assert (
            RankerTask("roi_mobilenet", replace(RECIPE, checkpointed=checkpointed)).build().checkpointed is checkpointed
        )


def test_a_second_length_of_the_table_is_refused() -> None:
    RankerTask("roi_mobilenet", RECIPE, {"num_candidates": 50})
    with pytest.raises(ValueError, match=r"model_args\.num_candidates is 60 and recipe\.num_candidates 50"):
        RankerTask("roi_mobilenet", RECIPE, {"num_candidates": 60})


def test_unreadable_images_are_counted_and_too_many_stop_it(tmp_path: Path) -> None:
    one = training(tmp_path / "one", broken=(3,), checkpoint_seconds=NEVER)
    trained(one)
    assert log(one)[-1]["bad_images"] == 1
    with pytest.raises(TrainingError, match="3 of 8 images cannot be read, allowed are 1: "):
        trained(training(tmp_path / "more", broken=(1, 3, 5)))
