"""A whole training: killed, damaged, in two processes or with bad images, it ends in the same bytes or names the reason."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.weights import open_detector
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.metrics_log import MetricsLog
from pipeline.training.loop.session import BEST, FINAL, Clock, Training, run
from pipeline.training.loop.trainer import TrainingError
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask
from tests.training.in_memory import InMemory, bright_squares
from tests.training.loop.square_trainings import (
    NEVER,
    RECIPE,
    RUNS_AWAY,
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
from tests.training.plain_loop import normalised, train
from tests.training.sessions import Killed, log, trained, until

__all__ = ["registered", "whole"]

# How it looks: a training is a task, its batches and a folder; run again, it goes on where it was.


def test_a_training_is_run_and_its_detector_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = DetectorRecipe(steps=4, batch=2, crop=64, warmup=1)
    task = DetectorTask("retinaface_mobilenet", recipe)
    batches = BatchSampler(InMemory(bright_squares(side=64)), recipe.batch, recipe.seed, recipe.sides)
    store = Store(str(tmp_path))
    mine = Training(task, batches, store, "work", checkpoint_seconds=60)
    run(mine)
    steps = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert steps == ["1/4", "2/4", "3/4", "4/4"]
    name, detector = open_detector(store.read("work/final.safetensors"))
    assert (name, detector.training) == ("retinaface_mobilenet", False)
    run(mine)
    assert "step " not in capsys.readouterr().out


def test_two_runs_give_the_same_bytes_and_another_seed_does_not(whole: Whole, tmp_path: Path) -> None:
    again = training(tmp_path / "again")
    assert trained(again) == whole.final
    assert log(again) == whole.log
    another = training(tmp_path / "another", replace(RECIPE, seed=1), checkpoint_seconds=NEVER)
    weights, others = Checkpoint(whole.final).tensors, Checkpoint(trained(another)).tensors
    assert not any(torch.equal(weights[name], others[name]) for name in weights if name.endswith("conv.weight"))


def test_it_does_what_the_plain_loop_does(tmp_path: Path) -> None:
    recipe = replace(RECIPE, ema_decay=0.9)
    one = training(tmp_path, recipe, checkpoint_seconds=NEVER)
    _, came_out = open_detector(trained(one))
    detector = one.task.build()
    history = train(detector, normalised(one.batches, detector.normalisation), recipe)
    assert all(torch.equal(value, detector.state_dict()[key]) for key, value in came_out.state_dict().items())
    np.testing.assert_allclose(losses(one), history.losses["total"], rtol=1e-6)
    config = Checkpoint(one.store.read("work/" + FINAL)).config
    assert config is not None
    assert DetectorRecipe(**config["recipe"]) == recipe
    assert config["model_args"] == {}


def test_the_log_has_every_step(whole: Whole) -> None:
    lines = whole.printed
    entries = MetricsLog(whole.training.store, whole.training.folder, 10**9).entries()
    assert [entry["step"] for entry in entries] == list(range(1, 9))
    assert len(lines) == 8 and lines[3].startswith(f"step 4/8 loss {entries[3]['loss']['total']:.3f} ")
    for entry in entries:
        assert entry["positives"] == sum(entry["positives_of_level"]) > 0
        assert entry["images_per_second"] > 0 and 0 <= entry["wait_share"] <= 1 and entry["memory_mb"] > 50
        assert entry["gradient_norm"] > 0 and entry["bad_images"] == entry["compensated"] == 0
    assert max(entry["rate"] for entry in entries) == pytest.approx(RECIPE.learning_rate)


@pytest.mark.parametrize("eval_every", [0, 3])
def test_read_a_step_later_all_is_the_same(tmp_path: Path, eval_every: int) -> None:
    """What a GPU does, which has the next step begun before the one before is read, on the CPU."""
    recipe, source = replace(RECIPE, eval_every=eval_every, ema_decay=0.9), Spoiled(SQUARES.examples, broken=(5,))
    at_once, later, saved = (
        training(
            tmp_path / name,
            recipe,
            source=source,
            validator=Witness(),
            overlapped=overlapped,
            checkpoint_seconds=checkpoint_seconds,
        )
        for name, overlapped, checkpoint_seconds in (
            ("at once", False, NEVER),
            ("later", True, NEVER),
            ("later and saved", True, 1e-9),
        )
    )
    expected = trained(at_once)
    for each in (later, saved):
        assert trained(each) == expected
        assert log(each) == log(at_once)
        assert [entry["bad_images"] for entry in log(each) if "loss" in entry][-1] == 1
        assert each.store.read(f"work/{BEST}") == at_once.store.read(f"work/{BEST}")


def test_it_starts_from_given_weights(whole: Whole, tmp_path: Path) -> None:
    still = replace(RECIPE, steps=1, learning_rate=1e-12, norms="frozen")
    went_on = trained(training(tmp_path, still, weights=whole.final))
    before, after = Checkpoint(whole.final).tensors, Checkpoint(went_on).tensors
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in before)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_evaluations_come_at_their_steps_and_the_best_or_last_weights_are_saved(tmp_path: Path, keep: Any) -> None:
    validator = Witness()
    recipe = replace(RECIPE, steps=11, eval_every=2, select=keep, ema_decay=0.5)
    one = training(tmp_path, recipe, validator=validator, checkpoint_seconds=NEVER)
    weights = Checkpoint(trained(one)).tensors
    evaluated = [entry for entry in log(one) if "ap" in entry]
    assert [entry["step"] for entry in evaluated] == [2, 4, 6, 8, 10, 11]
    assert all(set(entry["ap"]) == {"easy", "medium", "hard"} for entry in evaluated)
    easy = [entry["ap"]["easy"] for entry in evaluated]
    best = int(np.argmax(easy))
    assert best not in (0, 5), "the best evaluation must be neither the first nor the last"
    shown = validator.shown[best if keep == "best" else -1]
    assert all(torch.equal(value, shown[name]) for name, value in weights.items())
    (kept,) = [Checkpoint(one.store.read(f"work/{BEST}")).tensors]
    assert all(torch.equal(value, validator.shown[best][name]) for name, value in kept.items())


def test_best_weights_with_a_flipped_bit_do_not_come_out(tmp_path: Path) -> None:
    one = training(tmp_path, replace(RECIPE, steps=3, eval_every=1, select="best"), validator=Witness())
    trained(one)
    file = tmp_path / "work" / BEST
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    with pytest.raises(
        TrainingError, match=rf"{BEST} is damaged: expected the bytes that were written.*train from the start"
    ):
        trained(one, until(0))


def test_without_eval_every_only_the_end_is_evaluated(tmp_path: Path) -> None:
    one = training(tmp_path, replace(RECIPE, steps=3), validator=Witness())
    trained(one)
    assert [entry["step"] for entry in log(one) if "ap" in entry] == [3]


def test_evaluation_changes_nothing_of_the_training(tmp_path: Path) -> None:
    evaluated, plain = (
        training(tmp_path / f"{every}", replace(RECIPE, steps=4, eval_every=every), checkpoint_seconds=NEVER, **change)
        for every, change in ((1, {"validator": Witness()}), (0, {}))
    )
    a, b = Checkpoint(trained(evaluated)).tensors, Checkpoint(trained(plain)).tensors
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("overlapped", [False, True])
def test_a_loss_that_is_not_finite_stops_with_the_images_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, overlapped: bool
) -> None:
    one = training(tmp_path, replace(RECIPE, **RUNS_AWAY), overlapped=overlapped)
    with pytest.raises(TrainingError, match=r"the loss of step 2 is not finite .*; its images: ") as stopped:
        trained(one)
    assert all(name in str(stopped.value).split("its images: ")[1] for name in names_of(one, 2))
    newest = Checkpoints(one.store, one.folder).newest()
    assert newest is not None and newest[0] == 2
    assert all(value.isfinite().all() for value in newest[1]["trainer"]["weights"].values())
    assert [entry["step"] for entry in log(one)] == [1, 2]
    with pytest.raises(TrainingError) as again:
        trained(one)
    assert str(again.value) == str(stopped.value)
    assert not one.store.sizes("work").get(FINAL)


def test_one_unreadable_image_is_counted(tmp_path: Path) -> None:
    one = training(tmp_path, source=Spoiled(SQUARES.examples, broken=(5,)))
    # Stopped before a step without that image: the count is in the checkpoint.
    stop = next(step for step in (1, 3, 5, 7) if "square 5" in names_of(one, step - 1))
    with pytest.raises(Killed):
        trained(one, until(stop))
    trained(one)
    seen = ["square 5" in {name for step in range(last + 1) for name in names_of(one, step)} for last in range(8)]
    assert [entry["bad_images"] for entry in log(one)] == [int(each) for each in seen]
    assert seen[-1]


def test_too_many_unreadable_images_stop_it_by_name(tmp_path: Path) -> None:
    source = Spoiled(SQUARES.examples, broken=(1, 5, 6))
    one = training(tmp_path, source=source, bad_share=0.3)
    with pytest.raises(TrainingError, match=r"3 of 8 images cannot be read, allowed are 2: ") as stopped:
        trained(one)
    assert all(f"square {index}: cut: off" in str(stopped.value) for index in (1, 5, 6))
    trained(training(tmp_path / "more", source=source, bad_share=0.4, checkpoint_seconds=NEVER))


def test_steps_are_timed_from_the_end_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Clock()
    now[0] = 102.0
    assert clock.tick() == (2.0, 0.5)
    now[0] = 108.0
    assert clock.tick() == (6.0, 0.25)


def test_a_checkpoint_is_due_after_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Clock()
    now[0] = 5.0
    assert not clock.due(5.0) and clock.due(4.9)
    clock.saved()
    assert not clock.due(0.0)
    now[0] = 5.5
    assert clock.due(0.4)
