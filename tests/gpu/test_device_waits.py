"""On a GPU torch itself refuses every wait of a training step, and batches come over beside the step at work.

`tests/training/test_device_waits.py` finds the same on the CPU, by the operations that would wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.models.rankers import RANKERS
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.determinism import channels_last, deterministic, set_norms
from pipeline.training.loop.device_prefetch import DevicePrefetch
from pipeline.training.loop.session import FINAL, Training, run
from pipeline.training.loop.trainer import Trainer
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.detector import DetectorTask
from pipeline.training.tasks.ranker import RankerTask
from tests.training.in_memory import InMemory, RankedInMemory, bright_squares, ranked_squares

pytestmark = pytest.mark.gpu

SIDE = 128
SQUARES = InMemory(bright_squares(side=SIDE))


@contextmanager
def refused(device: torch.device) -> Iterator[None]:
    """Has torch raise where the host would wait for the device."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _steps(trainer: Trainer, batches: Any, device: torch.device, count: int = 4) -> list[float]:
    """Returns the losses of some steps; the first is not watched: grids are made, kernels chosen, memory taken."""
    staging = DevicePrefetch(iter(map(batches, range(count))), trainer.model.normalisation, device, early=True)
    losses = []
    with deterministic(), channels_last(trainer.model):
        losses.append(trainer.begin(staging.take().batch, aside=(0.0,)).read().losses["total"])
        for _ in range(count - 1):
            with refused(device):
                pending = trainer.begin(staging.take().batch, aside=(0.0,))
                staging.prepare()
            losses.append(pending.read().losses["total"])
    return losses


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *(("mogface_mobilenet", {"assigner": each}) for each in sorted(ASSIGNERS)),
        ("retinaface_mobilenet", {"optimizer": "sgd", "ema_decay": 0.9}),
        ("mogface_mobilenet", {"bf16": True, "micro_batches": 2, "clip_norm": None}),
        ("hambox_resnet50", {"regression_aware": True}),
        ("mogface_hcam", {"norms": "frozen"}),
    ],
)
def test_a_step_of_a_detector_waits_for_nothing(name: str, change: dict[str, Any], gpu: torch.device) -> None:
    recipe = DetectorRecipe(**{"steps": 4, "batch": 4, "crop": SIDE, "learning_rate": 1e-5, **change})
    task = DetectorTask(name, recipe)
    model = task.build().to(gpu)
    set_norms(model, recipe.norms)
    losses = _steps(Trainer(task, model), BatchSampler(SQUARES, 4, 0, recipe.sides), gpu)
    assert all(0 < each < 1e4 for each in losses)


@pytest.mark.parametrize("sampling", ["nearest", "average"])
def test_nor_does_one_of_the_papers_ranker(sampling: str, gpu: torch.device) -> None:
    recipe = RankerRecipe(steps=4, batch=4, crop=64, num_candidates=50, pairs=3)
    torch.manual_seed(0)
    model = RANKERS["crface_mobilenet"].build(num_candidates=50, sampling=sampling).to(gpu).train()
    source = RankedInMemory(ranked_squares(rows=50))
    assert all(
        each > 0
        for each in _steps(
            Trainer(RankerTask("crface_mobilenet", recipe), model), BatchSampler(source, 4, 1, (64,)), gpu
        )
    )


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_step_that_is_not_finite_is_left_out_by_the_device(optimizer: Any, gpu: torch.device) -> None:
    recipe = DetectorRecipe(steps=4, batch=4, crop=SIDE, warmup=0, optimizer=optimizer, learning_rate=1e-3)
    task = DetectorTask("retinaface_mobilenet", recipe)
    model = task.build().to(gpu).train()
    trainer, batches = Trainer(task, model), BatchSampler(SQUARES, 4, 0, recipe.sides)
    trainer.begin(batches(0).to_batch(model.normalisation, gpu)).read()
    before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    next(model.parameters()).register_hook(lambda slope: slope * float("inf"))
    pending = trainer.begin(batches(1).to_batch(model.normalisation, gpu))
    assert torch.equal(torch.nn.utils.parameters_to_vector(model.parameters()), before)
    with pytest.raises(RuntimeError, match="the gradient of step 1 is not finite"):
        pending.read()


def test_read_at_once_or_a_step_later_the_bytes_are_the_same(gpu: torch.device, tmp_path: Path) -> None:
    recipe, files = DetectorRecipe(steps=6, batch=4, crop=SIDE, warmup=2, ema_decay=0.9), []
    for name, overlapped in (("at once", False), ("later", True)):
        one: Any = Training(
            DetectorTask("mogface_mobilenet", recipe),
            BatchSampler(SQUARES, recipe.batch, recipe.seed, recipe.sides),
            Store(str(tmp_path / name)),
            "work",
            accelerated=gpu.type == "cuda",
            overlapped=overlapped,
        )
        run(one, log=lambda line: None)
        files.append(one.store.read(f"work/{FINAL}"))
    assert files[0] == files[1]
