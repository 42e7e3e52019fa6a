"""A training that was stopped or damaged: run again, it ends in the same bytes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.engine.worker_group import in_threads
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.session import BEST
from tests.training.loop.square_trainings import NEVER, RECIPE, Whole, Witness, registered, training, whole
from tests.training.sessions import Killed, log, trained, until

__all__ = ["registered", "whole"]


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
