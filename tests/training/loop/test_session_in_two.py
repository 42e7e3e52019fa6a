"""A training in two processes: what differs from one, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.session import FINAL, Training, run
from pipeline.training.loop.trainer import TrainingError
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.ranker import RankerTask
from tests.training.in_memory import RankedInMemory, ranked_squares
from tests.training.loop.small_retinaface import NAME, SPEC
from tests.training.loop.square_trainings import (
    NEVER,
    RECIPE,
    RUNS_AWAY,
    SIDE,
    SQUARES,
    Spoiled,
    Whole,
    Witness,
    losses,
    names_of,
    registered,
    training,
    whole,
)
from tests.training.sessions import Killed, log, quiet, trained, until
from tests.training.two_processes import in_both

__all__ = ["registered", "whole"]


# Not Adam: a shift of all scores is in no pair, and Adam makes whole steps of the rounding in its gradient.
RANKED = RankerRecipe(
    steps=5, batch=8, crop=SIDE, num_candidates=50, norms="frozen", optimizer="sgd", learning_rate=1.0, final_rate=0.5
)  # fmt: skip


def ranker_training(folder: Path) -> Training:
    """A ranker in the same session."""
    batches = BatchSampler(
        RankedInMemory(ranked_squares(side=SIDE, rows=RANKED.num_candidates)), RANKED.batch, 0, RANKED.sides
    )
    return Training(RankerTask("roi_mobilenet", RANKED), batches, Store(str(folder)), "work", checkpoint_seconds=NEVER)


FROZEN = replace(RECIPE, steps=12, batch=8, norms="frozen", learning_rate=1e-2)


def _in_two(folder: Path, start: bytes) -> dict[str, Any]:
    """Runs in both processes, one training after the other."""
    DETECTORS[NAME] = SPEC
    rank = torch.distributed.get_rank()

    def error(one: Training) -> str:
        with pytest.raises((TrainingError, ValueError)) as stopped:
            run(one, log=quiet)
        return str(stopped.value)

    run(training(folder / "frozen", FROZEN, weights=start, checkpoint_seconds=NEVER), log=quiet)
    run(training(folder / "later", FROZEN, weights=start, overlapped=True), log=quiet)
    with pytest.raises(Killed):
        run(training(folder / "moved", FROZEN, weights=start), until(5), log=quiet)
    run(ranker_training(folder / "ranker"), log=quiet)
    recipe = replace(RECIPE, steps=3, eval_every=1, ema_decay=0.5)
    run(training(folder / "evaluated", recipe, validator=Witness()), log=quiet)
    bad = training(folder / "bad", source=Spoiled(SQUARES.examples, broken=(1, 5, 6)), bad_share=0.3)
    return {
        "apart": error(training(folder / f"apart {rank}")),
        "runaway": error(training(folder / "runaway", replace(RECIPE, **RUNS_AWAY))),
        "runaway later": error(training(folder / "runaway later", replace(RECIPE, **RUNS_AWAY), overlapped=True)),
        "bad": error(bad),
        "sync": error(training(folder / "sync", replace(RECIPE, norms="sync"))),
    }


@pytest.mark.slow
def test_two_processes(whole: Whole, tmp_path: Path) -> None:
    """All that differs between one process and two, in one pair of them, since starting takes seconds."""
    start = whole.final
    alone = training(tmp_path / "alone", FROZEN, weights=start, checkpoint_seconds=NEVER)
    came_out = Checkpoint(trained(alone)).tensors
    with pytest.raises(Killed):
        trained(training(tmp_path / "apart 0"), until(2))
    (tmp_path / "meeting").mkdir()
    first, second = in_both(_in_two, tmp_path / "meeting", tmp_path, start)
    for rank, answer in enumerate((first, second)):
        apart = answer.pop("apart")
        assert apart == f"not every process sees the same checkpoints in {tmp_path}/apart {rank}: is it shared?"
    # Each names its own images first, and then those of the other.
    names = names_of(training(tmp_path / "runaway"), 2)
    half = len(names) // 2
    for answer, own, others in ((first, names[:half], names[half:]), (second, names[half:], names[:half])):
        message = answer.pop("runaway")
        assert "the loss of step 2 is not finite" in message
        assert f"its images: {', '.join(own)}; " in message
        assert message.endswith(f"; other processes had {', '.join(others)}")
        assert answer.pop("runaway later") == message
    assert first == second

    both = training(tmp_path / "frozen", FROZEN)
    np.testing.assert_allclose(losses(both), losses(alone), rtol=1e-5)
    assert [{**entry, "loss": 0, "gradient_norm": 0} for entry in log(both)] == [
        {**entry, "loss": 0, "gradient_norm": 0} for entry in log(alone)
    ]
    assert losses(alone)[-1] < 0.9 * losses(alone)[0]
    for name, value in Checkpoint(both.store.read(f"work/{FINAL}")).tensors.items():
        torch.testing.assert_close(value, came_out[name], rtol=1e-3, atol=1e-4)

    later = training(tmp_path / "later", FROZEN)
    assert log(later) == log(both)
    assert later.store.read(f"work/{FINAL}") == both.store.read(f"work/{FINAL}")

    ranked, ranked_alone = ranker_training(tmp_path / "ranker"), ranker_training(tmp_path / "ranker alone")
    came_out = Checkpoint(trained(ranked_alone)).tensors
    np.testing.assert_allclose(losses(ranked), losses(ranked_alone), rtol=1e-5)
    assert losses(ranked)[-1] < 0.99 * losses(ranked)[0]
    assert [entry["pairs"] for entry in log(ranked)] == [entry["pairs"] for entry in log(ranked_alone)]
    for name, value in Checkpoint(ranked.store.read(f"work/{FINAL}")).tensors.items():
        torch.testing.assert_close(value, came_out[name], rtol=1e-3, atol=1e-4)

    # Started by two, finished by one.
    moved = training(tmp_path / "moved", FROZEN, weights=start)
    newest = Checkpoints(moved.store, moved.folder).newest()
    assert newest is not None and newest[0] == 5
    trained(moved)
    np.testing.assert_allclose(losses(moved), losses(alone), rtol=1e-5)

    gone = training(tmp_path / "runaway")
    newest = Checkpoints(gone.store, gone.folder).newest()
    assert newest is not None and newest[0] == 2
    assert "3 of 8 images cannot be read" in first["bad"]
    assert "use norms: frozen, or one worker" in first["sync"]
