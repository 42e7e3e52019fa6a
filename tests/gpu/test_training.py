"""On a GPU a batch gives the losses and the gradient it gives on the CPU, and a killed training ends in the same bytes."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data.canvas import ORIGINAL
from pipeline.engine.storage import Store
from pipeline.inference.predictor import Predictor
from pipeline.inference.rerank import Reranker
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Raw
from pipeline.models.rankers import RANKERS
from pipeline.models.weights import open_detector, open_ranker
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.data.batch import Batch, Faces
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.determinism import deterministic
from pipeline.training.loop.session import FINAL, Training, run
from pipeline.training.loop.trainer import Trainer
from pipeline.training.losses.ranker import ranker_loss
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.detector import DetectorTask
from pipeline.training.tasks.ranker import RankerTask
from tests.gpu.test_inference import noise, some_candidates
from tests.training.in_memory import InMemory, RankedInMemory, bright_squares, ranked_squares
from tests.training.plain_loop import losses_of, numbers

pytestmark = pytest.mark.gpu

SIDE = 128
SQUARES = InMemory(bright_squares(side=SIDE))
BOXES = [
    [[10.0, 12.0, 30.0, 34.0], [40.0, 40.0, 104.0, 100.0]],
    [],
    [[5.0, 5.0, 15.0, 15.0], [49.0, 50.0, 66.0, 68.0], [80.0, 20.0, 93.0, 30.0]],
]


def faces_on(device: torch.device) -> tuple[Faces, ...]:
    made = []
    for each in BOXES:
        boxes = torch.tensor(each, device=device).reshape(-1, 4)
        points = boxes[:, None, :2] + (boxes[:, None, 2:] - boxes[:, None, :2]) * torch.linspace(
            0.2, 0.8, 5, device=device
        )[:, None].expand(5, 2)
        made.append(Faces(boxes, points, torch.ones(len(boxes), dtype=torch.bool, device=device)))
    return tuple(made)


def leaves(raw: Raw) -> list[Tensor]:
    values = [getattr(raw, field.name) for field in fields(raw)]
    return [leaf for each in values if each is not None for leaf in (leaves(each) if isinstance(each, Raw) else [each])]


def answer(name: str, count: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    columns = 2 if name.startswith("retinaface") else 1
    made = {"boxes": torch.randn(3, count, 4, generator=g) * 0.3, "logits": torch.randn(3, count, columns, generator=g)}
    if columns == 2:
        made["landmarks"] = torch.randn(3, count, 10, generator=g)
    return made


CASES = [("mogface_baseline", {"assigner": name}) for name in sorted(ASSIGNERS)]
CASES += [("retinaface_mobilenet", {}), ("hambox_resnet50", {"regression_aware": True}), ("mogface_hcam", {})]


@pytest.mark.parametrize(("name", "change"), CASES, ids=lambda value: value if isinstance(value, str) else str(value))
def test_losses_and_their_gradient_for_every_assigner(name: str, change: dict[str, Any], gpu: torch.device) -> None:
    results = []
    for device in (torch.device("cpu"), gpu):
        with torch.device("meta"):
            detector = DETECTORS[name].build()
        task = DetectorTask(name, DetectorRecipe(**change))
        count = detector.grid.count(SIDE, SIDE)
        parts = answer(name, count)
        if getattr(detector, "hierarchical", None) is not None:
            parts["progressive"] = torch.randn(3, count, 1, generator=torch.Generator().manual_seed(1))
        parts = {key: value.to(device).requires_grad_() for key, value in parts.items()}
        batch = Batch(("a", "b", "c"), torch.empty(3, 3, SIDE, SIDE), faces_on(device))
        losses = task.loss(detector, Raw(**parts), batch)
        losses.total.backward()
        slopes = {key: torch.zeros_like(v) if v.grad is None else v.grad for key, v in parts.items()}
        results.append((numbers(losses), losses.counts, {key: value.cpu() for key, value in slopes.items()}))
    (cpu, counts, slopes), (ours, our_counts, our_slopes) = results
    assert cpu["total"] > 0 and ours == pytest.approx(cpu, rel=1e-4, abs=1e-6)
    assert {key: value.tolist() for key, value in counts.items()} == {k: v.tolist() for k, v in our_counts.items()}
    for key, slope in slopes.items():
        torch.testing.assert_close(our_slopes[key], slope, rtol=1e-3, atol=1e-6, msg=key)


@pytest.mark.parametrize("loss", ["rank", "cross_entropy", "l1", "l2", "smooth_l1"])
def test_losses_of_rankers(loss: Any, gpu: torch.device) -> None:
    g = torch.Generator().manual_seed(0)
    scores, truths, valid = torch.rand(3, 200, generator=g), torch.rand(3, 200, generator=g), torch.tensor([200, 3, 0])
    found = []
    for device in (torch.device("cpu"), gpu):
        own = scores.to(device).detach().requires_grad_()
        value = ranker_loss(own, truths.to(device), valid.to(device), RankerRecipe(loss=loss))
        value.sum().backward()
        assert own.grad is not None
        found.append((value.sum().item(), own.grad.cpu()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", ["retinaface_mobilenet", "mogface_mobilenet", "hambox_resnet50", "mogface_hcam"])
def test_one_step_of_a_detector(name: str, gpu: torch.device) -> None:
    recipe = DetectorRecipe(steps=4, batch=4, crop=SIDE, warmup=2)
    batches, moved = BatchSampler(SQUARES, 4, 0, recipe.sides), []
    for device in (torch.device("cpu"), gpu):
        task = DetectorTask(name, recipe)
        model = task.build().to(device).train()
        trainer = Trainer(task, model)
        moved.append(trainer.begin(batches(0).to_batch(model.normalisation, device)).read())
    assert moved[1].losses == pytest.approx(moved[0].losses, rel=1e-3, abs=1e-4)
    assert moved[1].gradient_norm == pytest.approx(moved[0].gradient_norm, rel=1e-2)
    assert moved[1].counts == moved[0].counts


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", RANKERS)
def test_one_step_of_a_ranker(name: str, bf16: bool, gpu: torch.device) -> None:
    recipe = RankerRecipe(steps=4, batch=4, crop=64, num_candidates=50, pairs=3, bf16=bf16)
    source, moved = RankedInMemory(ranked_squares(rows=50)), []
    for device in (torch.device("cpu"), gpu):
        torch.manual_seed(0)
        model = RANKERS[name].build(num_candidates=50).to(device).train()
        trainer = Trainer(RankerTask(name, recipe), model)
        batch = BatchSampler(source, 4, 1, (64,))(0).to_batch(model.normalisation, device)
        moved.append(trainer.begin(batch).read())
    assert moved[1].losses == pytest.approx(moved[0].losses, rel=0.02 if bf16 else 1e-3)
    assert moved[1].gradient_norm == pytest.approx(moved[0].gradient_norm, rel=0.2 if bf16 else 1e-2)


class Killed(Exception):
    """A process that dies between two steps."""


def training(folder: Path, kind: str, device: torch.device, bf16: bool = False) -> Training:
    if kind == "ranker":
        source: Any = RankedInMemory(ranked_squares(rows=50))
        recipe: Any = RankerRecipe(steps=6, batch=4, crop=64, num_candidates=50, pairs=3, bf16=bf16)
        task: Any = RankerTask("roi_mobilenet", recipe)
    else:
        source, recipe = SQUARES, DetectorRecipe(steps=6, batch=4, crop=SIDE, warmup=2, bf16=bf16)
        task = DetectorTask("retinaface_mobilenet", recipe)
    batches: Any = BatchSampler(source, recipe.batch, recipe.seed, recipe.sides)
    made = Training(task, batches, Store(str(folder)), "work", checkpoint_seconds=1e-9)
    return replace(made, accelerated=device.type == "cuda")


def until(step: int) -> Any:
    def say(line: str) -> None:
        if line.startswith(f"step {step}/"):
            raise Killed

    return say


def quiet(line: str) -> None:
    """Takes a line of progress."""


@pytest.mark.parametrize("kind", ["detector", "ranker"])
@pytest.mark.parametrize("bf16", [False, True])
def test_a_killed_training_ends_in_the_same_bytes(kind: str, bf16: bool, tmp_path: Path, gpu: torch.device) -> None:
    whole, cut = training(tmp_path / "whole", kind, gpu, bf16), training(tmp_path / "cut", kind, gpu, bf16)
    run(whole, log=quiet)
    with pytest.raises(Killed):
        run(cut, log=until(4))
    run(cut, log=quiet)
    assert whole.store.read(f"work/{FINAL}") == cut.store.read(f"work/{FINAL}")


@pytest.mark.parametrize("kind", ["detector", "ranker"])
@pytest.mark.parametrize("upwards", [False, True])
def test_a_checkpoint_of_one_kind_opens_on_the_other(
    kind: str, upwards: bool, tmp_path: Path, gpu: torch.device
) -> None:
    """A training goes on from it, and what comes out in the end gives the same on both."""
    first, second = (torch.device("cpu"), gpu)[:: 1 if upwards else -1]
    with pytest.raises(Killed):
        run(training(tmp_path, kind, first), log=until(3))
    lines: list[str] = []
    resumed = training(tmp_path, kind, second)
    run(resumed, log=lines.append)
    assert 0 < len(lines) < 6
    image, weights = noise(SIDE, SIDE), resumed.store.read(f"work/{FINAL}")
    if kind == "detector":
        detector = open_detector(weights)[1]
        one, other = (
            Predictor(detector, device, max_candidates=200).candidates(image, ORIGINAL) for device in ("cpu", gpu)
        )
    else:
        ranker, found = open_ranker(weights)[1], some_candidates(40, SIDE, SIDE)
        one, other = (Reranker(ranker, device)(image, found) for device in ("cpu", gpu))
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)


def test_no_operation_of_a_step_depends_on_timing(gpu: torch.device) -> None:
    """Twice the same step gives the same gradient to the bit."""
    recipe, found = DetectorRecipe(steps=4, batch=4, crop=SIDE, warmup=2), []
    for _ in range(2):
        task = DetectorTask("mogface_mobilenet", recipe)
        model = task.build().to(gpu).train()
        batch = BatchSampler(SQUARES, 4, 0, recipe.sides)(0).to_batch(model.normalisation, gpu)
        with deterministic():
            losses = losses_of(task, model, batch)
            losses.total.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).cpu())
    assert torch.equal(*found)
