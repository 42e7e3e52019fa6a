"""Trainings on bright squares, small enough for every question about a whole one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.training.data.batch import Example
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.session import FINAL, Training, run
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask
from tests.training.in_memory import InMemory, bright_squares
from tests.training.loop.small_retinaface import NAME, SPEC
from tests.training.sessions import log

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
        return {"easy": 0.5 + 0.5 * math.sin(shares[0][1]), "medium": 0.25, "hard": math.nan}

    def score(self, metrics: Mapping[str, float]) -> float:
        return metrics["easy"]


def training(folder: Path, recipe: DetectorRecipe = RECIPE, **change: Any) -> Training:
    """Saves after every step, unless changed."""
    batches = BatchSampler(change.pop("source", SQUARES), recipe.batch, recipe.seed, recipe.sides)
    task = DetectorTask(change.pop("name", NAME), recipe, weights=change.pop("weights", None))
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


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """The small network is an entry of the table while the tests of a file run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, NAME, SPEC)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The recipe, trained once for all tests that compare with it."""
    one, printed = training(tmp_path_factory.mktemp("whole"), checkpoint_seconds=NEVER), list[str]()
    run(one, log=printed.append)
    return Whole(one, one.store.read(f"work/{FINAL}"), log(one), printed)


def names_of(one: Training, step: int) -> tuple[str, ...]:
    return one.batches(step).image_ids
