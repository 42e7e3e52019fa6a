"""No step waits for the device, checked without one.

Twice: a step on the CPU, with every operation watched; and forward, losses and gradient on torch's "meta" device, whose
tensors have no values, so that reading one raises. On a GPU `tests/gpu/test_device_waits.py` has torch itself refuse to
wait.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from pipeline.models.rankers import RANKERS
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.data.collate import PixelBatch
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.determinism import set_norms
from pipeline.training.loop.trainer import PendingStep, Trainer
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.detector import DetectorTask, assigner_of
from pipeline.training.tasks.ranker import RankerTask
from tests.training.in_memory import InMemory, RankedInMemory, bright_squares, ranked_squares
from tests.training.waits import Waits

SIDE = 64
ROI = "it extracts features of the boxes level by level, and their number decides the shapes"


def _pixels(side: int = SIDE) -> PixelBatch:
    """Two faces that overlap, in one image, and one in each of the others."""
    examples = bright_squares(4, side)
    first = examples[0]
    boxes = torch.from_numpy(first.boxes).repeat(2, 1)
    boxes[1] += 5
    examples[0] = replace(first, boxes=boxes.numpy(), landmarks=first.landmarks.repeat(2, axis=0))
    return BatchSampler(InMemory(examples), 4, 0, (side,))(0)


def _detector_trainer(name: str, **change: Any) -> Trainer:
    recipe = DetectorRecipe(**{"steps": 4, "batch": 4, "crop": SIDE, "warmup": 0, **change})
    task = DetectorTask(name, recipe)
    model = task.build()
    set_norms(model, recipe.norms)
    return Trainer(task, model)


def _waits(trainer: Trainer, batch: Any) -> list[str]:
    """Returns what one step would wait for."""
    waits = Waits()
    task = trainer.task
    if isinstance(task, DetectorTask):
        assigner = assigner_of(trainer.model, task.recipe)  # type: ignore[arg-type]
        trainer.task = replace(task, assigner=waits.on_host(assigner), auxiliary=waits.on_host(task.auxiliary))
    with waits:
        pending = trainer.begin(batch, aside=(1.0,))
    assert pending.read().losses["total"] > 0
    return waits.found


@pytest.mark.parametrize("name", ASSIGNERS)
def test_a_step_asks_for_nothing(name: str) -> None:
    trainer = _detector_trainer("mogface_mobilenet", assigner=name, ema_decay=0.9)
    for _ in range(2):
        assert _waits(trainer, _pixels().to_batch(trainer.model.normalisation)) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("retinaface_mobilenet", {}),
        ("mogface_mobilenet", {"micro_batches": 2, "bf16": True, "clip_norm": None, "crop": 128}),
        ("mogface_mobilenet", {"assigner": "ali_ams", "regression_aware": True, "norms": "frozen"}),
    ],
)
def test_nor_does_one_of_another_recipe(name: str, change: dict[str, Any]) -> None:
    trainer = _detector_trainer(name, **change)
    assert _waits(trainer, _pixels(trainer.task.recipe.crop).to_batch(trainer.model.normalisation)) == []


def test_sgd_asks_on_a_cpu_alone() -> None:
    """Its fused form, which a GPU has and which can leave out a step by itself, rounds otherwise on a CPU."""
    trainer = _detector_trainer("retinaface_mobilenet", optimizer="sgd", learning_rate=1e-3)
    found = _waits(trainer, _pixels().to_batch(trainer.model.normalisation))
    assert found == ["is_nonzero"] or found == ["_local_scalar_dense"]


def _ranker_trainer(name: str) -> Trainer:
    recipe = RankerRecipe(steps=4, batch=4, crop=SIDE, num_candidates=50, pairs=3)
    torch.manual_seed(0)
    return Trainer(RankerTask(name, recipe), RANKERS[name].build(num_candidates=50).train())


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_of_rankers_the_paper_s_asks_for_nothing(name: str) -> None:
    trainer = _ranker_trainer(name)
    pixels = BatchSampler(RankedInMemory(ranked_squares(rows=50)), 4, 1, (SIDE,))(0)
    found = _waits(trainer, pixels.to_batch(trainer.model.normalisation))
    assert bool(found) == name.startswith("roi"), ROI


@pytest.mark.parametrize(
    ("name", "assigner"),
    [("retinaface_mobilenet", "auto"), *[("mogface_mobilenet", each) for each in ASSIGNERS]],
)
def test_forward_losses_and_gradient_run_without_a_single_number(name: str, assigner: Any) -> None:
    recipe = DetectorRecipe(steps=4, batch=4, crop=SIDE, assigner=assigner)
    task = DetectorTask(name, recipe)
    model = task.build().train().to("meta")
    batch = _pixels().to_batch(model.normalisation, "meta")
    assert batch.images.is_meta and not batch.faces[0].boxes.is_meta
    losses = task.loss(model, model(batch.images), batch)
    losses.total.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    pending = PendingStep(0, batch.image_ids, 0.1, losses, norm, aside=(1.0,))
    assert losses.total.is_meta and pending.finite.is_meta


def test_a_wait_is_found() -> None:
    values = torch.tensor([1.0, 0.0])
    for wait in (
        lambda: values[0].item(),
        lambda: bool(values.any()),
        lambda: float(values.sum()),
        lambda: torch.nonzero(values),
        lambda: values[values > 0],
        lambda: values.masked_fill_(values > 0, 2).unique(),
    ):
        with Waits() as waits:
            wait()
        assert waits.found
    with Waits() as waits:
        torch.where(values > 0, values, 0.0)[torch.tensor([1, 0])].sum().clamp(min=1)
    assert not waits.found
