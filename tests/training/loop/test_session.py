"""A whole training: killed, damaged, shared by two processes or spoiled, it ends as it should or says why not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.engine.worker_group import Prefetch, in_threads
from pipeline.models.checkpoint_id import stored_config
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector, read_tensors
from pipeline.training.data.batch import Example
from pipeline.training.data.sampler import BatchSampler, normalised
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.metrics_log import Entry, MetricsLog
from pipeline.training.loop.session import BEST, FINAL, Training, run
from pipeline.training.loop.step import TrainingError
from pipeline.training.loop.trainer import train
from pipeline.training.loop.validator import mean_ap
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.detector_learner import DetectorLearner
from pipeline.training.tasks.initialise import initial_detector
from pipeline.training.tasks.ranker_learner import RankerLearner
from tests.training.in_memory import InMemory, RankedInMemory, bright_squares, ranked_squares
from tests.training.two_processes import in_both

# How it looks: a training is a learner, its batches and a folder; run again, it goes on where it was.


def test_a_training_is_run_and_its_detector_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = DetectorRecipe(steps=4, batch=2, crop=64, warmup=1)
    learner = DetectorLearner("retinaface_mobilenet", recipe)
    batches = BatchSampler(InMemory(bright_squares(side=64)), recipe.batch, recipe.seed, recipe.sides)
    store = Store(str(tmp_path))
    mine = Training(learner, batches, store, "work", checkpoint_seconds=60)
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
TIMED = ("images_per_second", "wait_share", "memory_mb")
RUNS_AWAY = {"optimizer": "sgd", "learning_rate": 1e30, "warmup": 100, "warmup_start": 1e-3, "clip_norm": None}


@dataclass(frozen=True)
class Spoiled(InMemory):
    """Some of the pictures cannot be read."""

    broken: tuple[int, ...] = ()

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        if index in self.broken:
            raise OSError("cut: off")
        return super().__call__(index, epoch, side)


@dataclass
class Witness:
    """A judge whose verdict belongs to the weights, up and down; it remembers what it was shown."""

    shown: list[dict[str, torch.Tensor]] = field(default_factory=list)
    measure = "ap"

    def __call__(self, detector: Detector, rank: int, processes: int) -> tuple[int, float]:
        assert not any(part.training for part in detector.modules())
        self.shown.append({name: value.clone() for name, value in detector.state_dict().items()})
        return rank, sum(float(value.double().sum()) for value in detector.state_dict().values())

    def verdict(self, shares: Sequence[tuple[int, float]]) -> dict[str, float]:
        assert [rank for rank, _ in shares] == list(range(len(shares)))
        assert len({number for _, number in shares}) == 1, "processes were shown different weights"
        return {"easy": 0.5 + 0.5 * math.sin(1000 * shares[0][1]), "medium": 0.25, "hard": math.nan}

    def worth(self, verdict: Mapping[str, float]) -> float:
        return mean_ap(verdict)


def training(folder: Path, recipe: DetectorRecipe = RECIPE, **change: Any) -> Training:
    """Saves after every step, unless told otherwise."""
    batches = BatchSampler(change.pop("source", SQUARES), recipe.batch, recipe.seed, recipe.sides)
    learner = DetectorLearner(change.pop("name", "retinaface_mobilenet"), recipe, weights=change.pop("weights", None))
    return replace(Training(learner, batches, Store(str(folder)), "work", checkpoint_seconds=1e-9), **change)


def quiet(line: str) -> None:
    """Prints nothing."""


def trained(one: Training, stream: Prefetch = in_threads) -> bytes:
    """Returns the final file."""
    run(one, stream, say=quiet)
    return one.store.read(f"{one.folder}/{FINAL}")


def log(one: Training) -> list[Entry]:
    """Returns what the log tells, without what depends on the clock."""
    entries = MetricsLog(one.store, one.folder, 10**9).entries()
    return [{name: value for name, value in entry.items() if name not in TIMED} for entry in entries]


def losses(one: Training) -> list[float]:
    return [entry["loss"]["total"] for entry in log(one) if "loss" in entry]


class Killed(Exception):
    """Stands for whatever ends a process."""


def until(step: int) -> Prefetch:
    """Returns a stream that ends the training when it asks for the batch of that step."""

    def stream(make: Callable[[int], Any], numbers: range) -> Iterator[Any]:
        for number in numbers:
            if number == step:
                raise Killed
            yield make(number)

    return stream


def test_two_runs_give_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    runs = [training(tmp_path / name) for name in ("a", "b")]
    assert trained(runs[0]) == trained(runs[1])
    assert log(runs[0]) == log(runs[1])
    assert trained(training(tmp_path / "c", replace(RECIPE, seed=1))) != trained(runs[0])


def test_it_does_what_the_plain_loop_does(tmp_path: Path) -> None:
    recipe = replace(RECIPE, ema_decay=0.9)
    one = training(tmp_path, recipe)
    name, came_out = open_detector(trained(one))
    detector = initial_detector(name, 0)
    history = train(detector, normalised(one.batches, detector.normalisation), recipe)
    assert all(torch.equal(value, detector.state_dict()[key]) for key, value in came_out.state_dict().items())
    np.testing.assert_allclose(losses(one), history.losses["total"], rtol=1e-6)
    config = stored_config(one.store.read("work/" + FINAL))
    assert config is not None
    assert DetectorRecipe(**{**config["recipe"], "crop": SIDE}) == replace(
        recipe,
        crop_scales=list(RECIPE.crop_scales),
        sse_shares=list(RECIPE.sse_shares),
        milestones=list(RECIPE.milestones),
    )
    assert config["model_args"] == {}


def test_the_log_tells_every_step(tmp_path: Path) -> None:
    told: list[str] = []
    one = training(tmp_path)
    run(one, say=told.append)
    entries = MetricsLog(one.store, one.folder, 10**9).entries()
    assert [entry["step"] for entry in entries] == list(range(1, 9))
    assert len(told) == 8 and told[3].startswith(f"step 4/8 loss {entries[3]['loss']['total']:.3f} ")
    for entry in entries:
        assert entry["positives"] == sum(entry["positives_of_level"]) > 0
        assert entry["images_per_second"] > 0 and 0 <= entry["wait_share"] <= 1 and entry["memory_mb"] > 50
        assert entry["gradient_norm"] > 0 and entry["bad_pictures"] == entry["compensated"] == 0
    assert max(entry["rate"] for entry in entries) == pytest.approx(RECIPE.learning_rate)


@pytest.mark.parametrize("eval_every", [0, 3])
@pytest.mark.parametrize("checkpoint_seconds", [1e-9, 1e9])
def test_read_a_step_later_all_is_the_same(tmp_path: Path, eval_every: int, checkpoint_seconds: float) -> None:
    """What a GPU does, which has the next step begun before the one before is read, on the CPU."""
    recipe, source = replace(RECIPE, eval_every=eval_every, ema_decay=0.9), Spoiled(SQUARES.examples, broken=(5,))
    at_once, later = (
        training(
            tmp_path / name,
            recipe,
            source=source,
            validator=Witness(),
            overlapped=overlapped,
            checkpoint_seconds=checkpoint_seconds,
        )
        for name, overlapped in (("at once", False), ("later", True))
    )
    assert trained(later) == trained(at_once)
    assert log(later) == log(at_once)
    assert [entry["bad_pictures"] for entry in log(later) if "loss" in entry][-1] == 1
    assert later.store.read(f"work/{BEST}") == at_once.store.read(f"work/{BEST}")


def test_read_a_step_later_and_stopped_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole, one = training(tmp_path / "whole", overlapped=True), training(tmp_path / "stopped", overlapped=True)
    expected = trained(whole)
    for step in (3, 6):
        with pytest.raises(Killed):
            trained(one, until(step))
        # A batch is asked for a step ahead, and that it is time to keep a step is read with it.
        assert log(one) == log(whole)[: len(log(one))] and len(log(one)) in (step - 2, step - 1)
    assert trained(one) == expected
    assert log(one) == log(whole)


@pytest.mark.parametrize(
    "change", [{}, {"optimizer": "sgd", "learning_rate": 1e-2, "ema_decay": 0.5, "norms": "frozen"}]
)
def test_stopped_anywhere_it_ends_with_the_same_bytes(tmp_path: Path, change: dict[str, Any]) -> None:
    recipe = replace(RECIPE, eval_every=3, select="best", **change)
    whole = training(tmp_path / "whole", recipe, validator=Witness())
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


@pytest.mark.parametrize("damage", ["cut off", "a bit flipped", "empty", "both"])
def test_a_damaged_newest_checkpoint_costs_a_step_and_nothing_else(tmp_path: Path, damage: str) -> None:
    whole, one = training(tmp_path / "whole"), training(tmp_path / "stopped")
    expected = trained(whole)
    with pytest.raises(Killed):
        trained(one, until(6))
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

    assert trained(one, noted) == expected
    assert asked == list(range(0 if damage == "both" else 5, 8))
    assert log(one) == log(whole)


def test_without_a_checkpoint_in_time_it_begins_again(tmp_path: Path) -> None:
    whole, one = training(tmp_path / "whole"), training(tmp_path / "stopped", checkpoint_seconds=1e9)
    with pytest.raises(Killed):
        trained(one, until(5))
    assert log(one) == [] and Checkpoints(one.store, one.folder).steps() == []
    assert trained(one) == trained(whole)
    assert log(one) == log(whole)
    assert Checkpoints(one.store, one.folder).steps() == [8]


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trained(training(tmp_path), until(2))
    with pytest.raises(ValueError, match="another architecture"):
        trained(training(tmp_path, name="mogface_mobilenet"))
    assert not torch.are_deterministic_algorithms_enabled()


def test_it_starts_from_given_weights(tmp_path: Path) -> None:
    start = trained(training(tmp_path / "start"))
    still = replace(RECIPE, steps=1, learning_rate=1e-12, norms="frozen")
    went_on = trained(training(tmp_path / "on", still, weights=start))
    before, after = read_tensors(start), read_tensors(went_on)
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in before)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_verdicts_come_at_their_steps_and_the_best_or_last_weights_come_out(tmp_path: Path, keep: Any) -> None:
    validator = Witness()
    one = training(tmp_path, replace(RECIPE, steps=11, eval_every=2, select=keep, ema_decay=0.5), validator=validator)
    weights = read_tensors(trained(one))
    looks = [entry for entry in log(one) if "ap" in entry]
    assert [entry["step"] for entry in looks] == [2, 4, 6, 8, 10, 11]
    assert all(set(entry["ap"]) == {"easy", "medium", "hard"} for entry in looks)
    easy = [entry["ap"]["easy"] for entry in looks]
    best = int(np.argmax(easy))
    assert best not in (0, 5), "the best look should not be the first or the last, or this test shows nothing"
    shown = validator.shown[best if keep == "best" else -1]
    assert all(torch.equal(value, shown[name]) for name, value in weights.items())
    (kept,) = [read_tensors(one.store.read(f"work/{BEST}"))]
    assert all(torch.equal(value, validator.shown[best][name]) for name, value in kept.items())


def test_best_weights_with_a_flipped_bit_do_not_come_out(tmp_path: Path) -> None:
    one = training(tmp_path, replace(RECIPE, steps=3, eval_every=1, select="best"), validator=Witness())
    trained(one)
    file = tmp_path / "work" / BEST
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    with pytest.raises(TrainingError, match=rf"{BEST} is damaged: expected the bytes that were written.*train anew"):
        trained(one, until(0))


def test_without_looks_on_the_way_only_the_end_is_judged(tmp_path: Path) -> None:
    one = training(tmp_path, replace(RECIPE, steps=3), validator=Witness())
    trained(one)
    assert [entry["step"] for entry in log(one) if "ap" in entry] == [3]


def test_judging_changes_nothing_of_the_training(tmp_path: Path) -> None:
    judged = training(tmp_path / "a", replace(RECIPE, steps=4, eval_every=1), validator=Witness())
    plain = training(tmp_path / "b", replace(RECIPE, steps=4))
    a, b = read_tensors(trained(judged)), read_tensors(trained(plain))
    assert all(torch.equal(a[name], b[name]) for name in a)


def _names(one: Training, step: int) -> tuple[str, ...]:
    return one.batches(step).image_ids


@pytest.mark.parametrize("overlapped", [False, True])
def test_a_loss_that_is_no_number_stops_with_the_images_and_keeps_the_last_good_checkpoint(
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


def test_one_unreadable_picture_is_counted(tmp_path: Path) -> None:
    one = training(tmp_path, source=Spoiled(SQUARES.examples, broken=(5,)))
    # Begun again before a step without that picture: what was known of it is in the checkpoint.
    stop = next(step for step in (1, 3, 5, 7) if "square 5" in _names(one, step - 1))
    with pytest.raises(Killed):
        trained(one, until(stop))
    trained(one)
    seen = ["square 5" in {name for step in range(last + 1) for name in _names(one, step)} for last in range(8)]
    assert [entry["bad_pictures"] for entry in log(one)] == [int(each) for each in seen]
    assert seen[-1]


def test_too_many_unreadable_pictures_stop_it_by_name(tmp_path: Path) -> None:
    source = Spoiled(SQUARES.examples, broken=(1, 5, 6))
    one = training(tmp_path, source=source, bad_share=0.3)
    with pytest.raises(TrainingError, match=r"3 of 8 pictures cannot be read, allowed are 2: ") as stopped:
        trained(one)
    assert all(f"square {index}: cut: off" in str(stopped.value) for index in (1, 5, 6))
    trained(training(tmp_path / "more", source=source, bad_share=0.4))


# Not Adam: a shift of all scores is in no pair, and Adam makes whole steps of the rounding in its gradient.
RANKED = RankerRecipe(
    steps=5, batch=8, crop=SIDE, num_candidates=50, norms="frozen", optimizer="sgd", learning_rate=1.0, final_rate=0.5
)  # fmt: skip


def ranker_training(folder: Path) -> Training:
    """A ranker, taught by the very same run."""
    batches = BatchSampler(
        RankedInMemory(ranked_squares(side=SIDE, rows=RANKED.num_candidates)), RANKED.batch, 0, RANKED.sides
    )
    return Training(RankerLearner("roi_mobilenet", RANKED), batches, Store(str(folder)), "work", checkpoint_seconds=1e9)


FROZEN = replace(RECIPE, steps=20, batch=8, norms="frozen", learning_rate=2e-3)


def _in_two(folder: Path, start: bytes) -> dict[str, Any]:
    """What both processes do, one after the other; what comes back is theirs."""
    rank = torch.distributed.get_rank()

    def told(one: Training) -> str:
        with pytest.raises((TrainingError, ValueError)) as stopped:
            run(one, say=quiet)
        return str(stopped.value)

    run(training(folder / "frozen", FROZEN, weights=start, checkpoint_seconds=1e9), say=quiet)
    run(training(folder / "later", FROZEN, weights=start, overlapped=True), say=quiet)
    with pytest.raises(Killed):
        run(training(folder / "moved", FROZEN, weights=start), until(9), say=quiet)
    run(ranker_training(folder / "ranker"), say=quiet)
    judged = training(folder / "judged", replace(RECIPE, steps=3, eval_every=1, ema_decay=0.5), validator=Witness())
    run(judged, say=quiet)
    bad = training(folder / "bad", source=Spoiled(SQUARES.examples, broken=(1, 5, 6)), bad_share=0.3)
    return {
        "apart": told(training(folder / f"apart {rank}")),
        "runaway": told(training(folder / "runaway", replace(RECIPE, **RUNS_AWAY))),
        "runaway later": told(training(folder / "runaway later", replace(RECIPE, **RUNS_AWAY), overlapped=True)),
        "bad": told(bad),
        "sync": told(training(folder / "sync", replace(RECIPE, norms="sync"))),
    }


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """All that two processes do differently, in one pair of them, since it takes seconds to start."""
    start = trained(training(tmp_path / "start"))
    alone = training(tmp_path / "alone", FROZEN, weights=start, checkpoint_seconds=1e9)
    came_out = read_tensors(trained(alone))
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
        told = answer.pop("runaway")
        assert "the loss of step 2 is not finite" in told
        assert f"its images: {', '.join(own)}; " in told
        assert told.endswith(f"; other processes had {', '.join(others)}")
        assert answer.pop("runaway later") == told
    assert first == second

    both = training(tmp_path / "frozen", FROZEN)
    np.testing.assert_allclose(losses(both), losses(alone), rtol=1e-5)
    assert [{**entry, "loss": 0, "gradient_norm": 0} for entry in log(both)] == [
        {**entry, "loss": 0, "gradient_norm": 0} for entry in log(alone)
    ]
    assert losses(alone)[-1] < 0.9 * losses(alone)[0]
    for name, value in read_tensors(both.store.read(f"work/{FINAL}")).items():
        torch.testing.assert_close(value, came_out[name], rtol=1e-3, atol=1e-4)

    later = training(tmp_path / "later", FROZEN)
    assert log(later) == log(both)
    assert later.store.read(f"work/{FINAL}") == both.store.read(f"work/{FINAL}")

    ranked, ranked_alone = ranker_training(tmp_path / "ranker"), ranker_training(tmp_path / "ranker alone")
    came_out = read_tensors(trained(ranked_alone))
    np.testing.assert_allclose(losses(ranked), losses(ranked_alone), rtol=1e-5)
    assert losses(ranked)[-1] < 0.99 * losses(ranked)[0]
    assert [entry["pairs"] for entry in log(ranked)] == [entry["pairs"] for entry in log(ranked_alone)]
    for name, value in read_tensors(ranked.store.read(f"work/{FINAL}")).items():
        torch.testing.assert_close(value, came_out[name], rtol=1e-3, atol=1e-4)

    # Begun by two, ended by one.
    moved = training(tmp_path / "moved", FROZEN, weights=start)
    newest = Checkpoints(moved.store, moved.folder).newest()
    assert newest is not None and newest[0] == 9
    trained(moved)
    np.testing.assert_allclose(losses(moved), losses(alone), rtol=1e-5)

    gone = training(tmp_path / "runaway")
    newest = Checkpoints(gone.store, gone.folder).newest()
    assert newest is not None and newest[0] == 2
    assert "3 of 8 pictures cannot be read" in first["bad"]
    assert "take norms: frozen, or one worker" in first["sync"]
