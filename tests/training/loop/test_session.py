"""A whole training: killed, damaged, in two processes or with bad images, it ends in the same bytes or names the reason."""

from __future__ import annotations

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.engine.worker_group import in_threads
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector
from pipeline.training.data.batch import Example
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.metrics_log import MetricsLog
from pipeline.training.loop.session import BEST, FINAL, Clock, Training, run
from pipeline.training.loop.trainer import TrainingError
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.detector import DetectorTask
from pipeline.training.tasks.ranker import RankerTask
from tests.training.in_memory import InMemory, RankedInMemory, bright_squares, ranked_squares
from tests.training.plain_loop import normalised, train
from tests.training.sessions import Killed, log, quiet, trained, until
from tests.training.two_processes import in_both

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


SIDE = 64
SQUARES = InMemory(bright_squares(side=SIDE))
RECIPE = DetectorRecipe(steps=8, batch=4, crop=SIDE, warmup=2)
NEVER = 1e9  # seconds between two checkpoints: only the last step is saved
RUNS_AWAY = {"optimizer": "sgd", "learning_rate": 1e30, "warmup": 100, "warmup_start": 1e-3, "clip_norm": None}


@dataclass(frozen=True)
class Spoiled(InMemory):
    """Images of `broken` cannot be read."""

    broken: tuple[int, ...] = ()

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        if index in self.broken:
            raise OSError("cut: off")
        return super().__call__(index, epoch, side)


@dataclass
class Witness:
    """A validator whose metrics depend on the weights alone, up and down; it keeps the weights that it evaluates."""

    shown: list[dict[str, torch.Tensor]] = field(default_factory=list)
    name = "ap"

    def __call__(self, detector: Detector, rank: int, processes: int) -> tuple[int, float]:
        assert not any(part.training for part in detector.modules())
        self.shown.append({name: value.clone() for name, value in detector.state_dict().items()})
        return rank, sum(float(value.double().sum()) for value in detector.state_dict().values())

    def metrics(self, shares: Sequence[tuple[int, float]]) -> dict[str, float]:
        assert [rank for rank, _ in shares] == list(range(len(shares)))
        assert len({number for _, number in shares}) == 1, "processes evaluated different weights"
        return {"easy": 0.5 + 0.5 * math.sin(1000 * shares[0][1]), "medium": 0.25, "hard": math.nan}

    def score(self, metrics: Mapping[str, float]) -> float:
        return metrics["easy"]


def training(folder: Path, recipe: DetectorRecipe = RECIPE, **change: Any) -> Training:
    """Saves after every step, unless changed."""
    batches = BatchSampler(change.pop("source", SQUARES), recipe.batch, recipe.seed, recipe.sides)
    task = DetectorTask(change.pop("name", "retinaface_mobilenet"), recipe, weights=change.pop("weights", None))
    return replace(Training(task, batches, Store(str(folder)), "work", checkpoint_seconds=1e-9), **change)


def losses(one: Training) -> list[float]:
    return [entry["loss"]["total"] for entry in log(one) if "loss" in entry]


@dataclass(frozen=True)
class Whole:
    """What a training leaves that nothing has stopped, and that has saved nothing on its way."""

    training: Training
    final: bytes
    log: list[dict[str, Any]]
    printed: list[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The recipe, trained once for all tests that compare with it."""
    one, printed = training(tmp_path_factory.mktemp("whole"), checkpoint_seconds=NEVER), list[str]()
    run(one, log=printed.append)
    return Whole(one, one.store.read(f"work/{FINAL}"), log(one), printed)


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


def test_read_a_step_later_and_stopped_it_ends_with_the_same_bytes(whole: Whole, tmp_path: Path) -> None:
    one = training(tmp_path, overlapped=True)
    for step in (3, 6):
        with pytest.raises(Killed):
            trained(one, until(step))
        # A batch is asked for a step ahead, and that it is time to keep a step is read with it.
        assert log(one) == whole.log[: len(log(one))] and len(log(one)) in (step - 2, step - 1)
    assert trained(one) == whole.final
    assert log(one) == whole.log


@pytest.mark.parametrize(
    "change", [{}, {"optimizer": "sgd", "learning_rate": 1e-2, "ema_decay": 0.5, "norms": "frozen"}]
)
def test_stopped_anywhere_it_ends_with_the_same_bytes(tmp_path: Path, change: dict[str, Any]) -> None:
    recipe = replace(RECIPE, eval_every=3, select="best", **change)
    whole = training(tmp_path / "whole", recipe, validator=Witness(), checkpoint_seconds=NEVER)
    expected = trained(whole)
    one = training(tmp_path / "stopped", recipe, validator=Witness())
    for step in sorted(random.Random(str(change)).sample(range(1, 8), 3)):
        with pytest.raises(Killed):
            trained(one, until(step))
        assert log(one) == [entry for entry in log(whole) if entry["step"] <= step]
    assert trained(one) == expected
    assert log(one) == log(whole)
    assert one.store.read(f"work/{BEST}") == whole.store.read(f"work/{BEST}")
    # Nothing is left to be done, and so nothing is done.
    assert trained(one, until(0)) == expected
    assert log(one) == log(whole)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that has been killed before its seventh step, to be copied."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Killed):
        trained(training(folder), until(6))
    return folder


@pytest.mark.parametrize("damage", ["cut off", "a bit flipped", "empty", "both"])
def test_a_damaged_newest_checkpoint_costs_a_step_and_nothing_else(
    whole: Whole, stopped: Path, tmp_path: Path, damage: str
) -> None:
    one = training(shutil.copytree(stopped, tmp_path / "stopped"))
    files = sorted((tmp_path / "stopped/work").glob("step-*.pt"))
    assert [file.name for file in files] == ["step-0000000005.pt", "step-0000000006.pt"]
    for file in files if damage == "both" else files[1:]:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 4
        file.write_bytes({"cut off": data[:-100], "empty": b""}.get(damage, data))
    asked: list[int] = []

    def noted(make: Callable[[int], Any], numbers: range) -> Iterator[Any]:
        asked.extend(numbers)
        return in_threads(make, numbers)

    assert trained(one, noted) == whole.final
    assert asked == list(range(0 if damage == "both" else 5, 8))
    assert log(one) == whole.log


def test_without_a_checkpoint_in_time_it_begins_again(whole: Whole, tmp_path: Path) -> None:
    one = training(tmp_path, checkpoint_seconds=NEVER)
    with pytest.raises(Killed):
        trained(one, until(5))
    assert log(one) == [] and Checkpoints(one.store, one.folder).steps() == []
    assert trained(one) == whole.final
    assert log(one) == whole.log
    assert Checkpoints(one.store, one.folder).steps() == [8]


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trained(training(tmp_path), until(2))
    with pytest.raises(ValueError, match="another architecture"):
        trained(training(tmp_path, name="mogface_mobilenet"))
    assert not torch.are_deterministic_algorithms_enabled()


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


def _names(one: Training, step: int) -> tuple[str, ...]:
    return one.batches(step).image_ids


@pytest.mark.parametrize("overlapped", [False, True])
def test_a_loss_that_is_not_finite_stops_with_the_images_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, overlapped: bool
) -> None:
    one = training(tmp_path, replace(RECIPE, **RUNS_AWAY), overlapped=overlapped)
    with pytest.raises(TrainingError, match=r"the loss of step 2 is not finite .*; its images: ") as stopped:
        trained(one)
    assert all(name in str(stopped.value).split("its images: ")[1] for name in _names(one, 2))
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
    stop = next(step for step in (1, 3, 5, 7) if "square 5" in _names(one, step - 1))
    with pytest.raises(Killed):
        trained(one, until(stop))
    trained(one)
    seen = ["square 5" in {name for step in range(last + 1) for name in _names(one, step)} for last in range(8)]
    assert [entry["bad_images"] for entry in log(one)] == [int(each) for each in seen]
    assert seen[-1]


def test_too_many_unreadable_images_stop_it_by_name(tmp_path: Path) -> None:
    source = Spoiled(SQUARES.examples, broken=(1, 5, 6))
    one = training(tmp_path, source=source, bad_share=0.3)
    with pytest.raises(TrainingError, match=r"3 of 8 images cannot be read, allowed are 2: ") as stopped:
        trained(one)
    assert all(f"square {index}: cut: off" in str(stopped.value) for index in (1, 5, 6))
    trained(training(tmp_path / "more", source=source, bad_share=0.4, checkpoint_seconds=NEVER))


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


FROZEN = replace(RECIPE, steps=12, batch=8, norms="frozen", learning_rate=1e-3)


def _in_two(folder: Path, start: bytes) -> dict[str, Any]:
    """Runs in both processes, one training after the other."""
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
    names = _names(training(tmp_path / "runaway"), 2)
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
