"""Steps lower the loss, repeat to the byte, and stop with step and images where the loss is not finite."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Normalisation
from pipeline.training.data.batch import Batch, Example
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.trainer import PendingStep, Step, Trainer, TrainingError
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask
from pipeline.training.tasks.task import Losses
from tests.training.in_memory import InMemory, bright_squares
from tests.training.plain_loop import normalised, train
from tests.training.small_mogface import small_mogface

RECIPE = DetectorRecipe(steps=20, batch=4, warmup=2, learning_rate=4e-3)
POOL = bright_squares(side=64)
NORMAL = Normalisation((104.0, 117.0, 123.0))


def _batches(examples: Sequence[Example] = POOL, normalisation: Normalisation = NORMAL) -> Callable[[int], Batch]:
    return normalised(BatchSampler(InMemory(examples), batch=4, seed=1), normalisation)


def _detector(seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    return DETECTORS["retinaface_mobilenet"].build()


def _trainer(detector: Detector, recipe: DetectorRecipe = RECIPE) -> Trainer:
    return Trainer(DetectorTask("", recipe), detector)


@pytest.mark.parametrize(
    "change", [{}, {"optimizer": "sgd", "learning_rate": 5e-3, "clip_norm": None, "decay": "steps"}]
)
def test_the_loss_falls(change: dict[str, Any]) -> None:
    detector = _detector()
    history = train(detector, _batches(), replace(RECIPE, **change))
    total = history.losses["total"]
    assert total[-5:].mean() < 0.6 * total[:5].mean()
    weighted = 2 * history.losses["box"] + history.losses["face"] + history.losses["landmarks"]
    np.testing.assert_allclose(total, weighted, rtol=1e-5)
    assert history.rates.argmax() == 1
    assert not detector.training
    assert all(p.is_contiguous() for p in detector.parameters())


def test_same_seed_same_bytes() -> None:
    recipe = replace(RECIPE, steps=3)
    runs = []
    for seed in (0, 0, 1):
        detector = _detector(seed)
        train(detector, _batches(), recipe)
        runs.append(b"".join(value.numpy().tobytes() for value in detector.state_dict().values()))
    assert runs[0] == runs[1] != runs[2]


def test_every_head_and_online_assignment_learn_and_repeat() -> None:
    """Focal loss, hierarchical context, the auxiliary head, Ali-AMS, in two parts, under torch's deterministic mode."""
    recipe = replace(RECIPE, steps=8, learning_rate=1e-2, micro_batches=2, ema_decay=0.5)
    runs = []
    for _ in range(2):
        detector = small_mogface(seed=0)
        batches = _batches(normalisation=detector.normalisation)
        history = train(detector, batches, recipe)
        assert set(history.losses) == {"face", "box", "context", "first_face", "first_box", "total"}
        assert history.losses["total"][-3:].mean() < 0.9 * history.losses["total"][:3].mean()
        runs.append(b"".join(value.numpy().tobytes() for value in detector.state_dict().values()))
    assert runs[0] == runs[1]


def test_settings_of_torch_are_restored() -> None:
    train(_detector(), _batches(), replace(RECIPE, steps=1))
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_loss_that_is_not_finite_names_step_and_images() -> None:
    batches = _batches()

    def spoiled(step: int) -> Batch:
        batch = batches(step)
        return replace(batch, images=batch.images * float("nan")) if step == 2 else batch

    with pytest.raises(TrainingError, match="step 2 ") as caught:
        train(_detector(), spoiled, replace(RECIPE, steps=4))
    assert all(name in str(caught.value) for name in batches(2).image_ids)
    assert not torch.are_deterministic_algorithms_enabled()


def test_faces_without_area_do_no_harm() -> None:
    dead = np.float32([[0, 0, 0, 0], [50, 50, 40, 40]])
    pool = [
        replace(one, boxes=np.concatenate([dead, one.boxes]), landmarks=np.repeat(one.landmarks, 3, axis=0))
        for one in POOL
    ]
    history = train(_detector(), _batches(pool), replace(RECIPE, steps=2))
    plain = train(_detector(), _batches(), replace(RECIPE, steps=2))
    np.testing.assert_array_equal(history.losses["total"], plain.losses["total"])


def test_a_long_gradient_is_clipped() -> None:
    """Plain SGD at rate 0.5 (half a cosine, one step) moves the weights by half of the longest gradient allowed."""
    recipe = replace(RECIPE, steps=1, warmup=0, optimizer="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0)
    start = torch.nn.utils.parameters_to_vector(_detector().parameters()).detach()
    for clip_norm, moved in ((1e-2, 0.5e-2), (2e-2, 1e-2)):
        detector = _detector()
        train(detector, _batches(), replace(recipe, clip_norm=clip_norm))
        end = torch.nn.utils.parameters_to_vector(detector.parameters()).detach()
        assert (end - start).double().norm().item() == pytest.approx(moved, rel=1e-2)


def test_a_gradient_that_is_not_finite_names_step_and_images_and_moves_nothing() -> None:
    detector = _detector().train()
    trainer = _trainer(detector)
    trainer.begin(_batches()(0)).read()
    before = torch.nn.utils.parameters_to_vector(detector.parameters()).detach().clone()
    next(detector.parameters()).register_hook(lambda slope: slope * float("inf"))
    with pytest.raises(TrainingError, match="the gradient of step 1 is not finite") as caught:
        trainer.begin(_batches()(1)).read()
    assert all(name in str(caught.value) for name in _batches()(1).image_ids)
    assert torch.equal(torch.nn.utils.parameters_to_vector(detector.parameters()), before)


def test_a_step_has_losses_norm_and_counts() -> None:
    detector = _detector().train()
    recipe = replace(RECIPE, clip_norm=None)
    done = _trainer(detector, recipe).begin(_batches()(0)).read()
    assert done.rate == pytest.approx(2e-3)
    slopes = torch.cat([p.grad.flatten().double() for p in detector.parameters() if p.grad is not None])
    assert done.gradient_norm == pytest.approx(slopes.norm().item(), rel=1e-4)
    weighted = 2 * done.losses["box"] + done.losses["face"] + done.losses["landmarks"]
    assert done.losses["total"] == pytest.approx(weighted, rel=1e-5)
    assert list(done.counts) == ["positives", "compensated", "positives_of_level"]
    assert done.counts["positives"] == sum(done.counts["positives_of_level"]) >= 4  # type: ignore[arg-type,operator]
    assert len(done.counts["positives_of_level"]) == len(detector.grid.strides)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{}, {"ema_decay": 0.5, "optimizer": "sgd", "decay_biases": True}])
def test_a_training_goes_on_from_its_state_to_the_same_bytes(change: dict[str, Any]) -> None:
    recipe, batches, stored = replace(RECIPE, steps=4, **change), _batches(), io.BytesIO()
    one, other = (_trainer(_detector(seed).train(), recipe) for seed in (0, 7))
    for step in range(2):
        one.begin(batches(step)).read()
    torch.save(one.state_dict(), stored)
    other.load_state_dict(torch.load(io.BytesIO(stored.getvalue())))
    assert other.steps_done == 2
    for step in range(2, 4):
        assert one.begin(batches(step)).read().losses == other.begin(batches(step)).read().losses
    for trainer in (one, other):
        if trainer.ema is not None:
            trainer.ema.copy_to(trainer.model)
    found = other.model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in one.model.state_dict().items())
    with pytest.raises(ValueError, match=r"step 4 is not in 0\.\.3"):
        other.begin(batches(4)).read()


def test_states_of_another_training_are_refused() -> None:
    state = _trainer(_detector()).state_dict()
    other = torch.nn.Module()
    recipe = replace(RECIPE, ema_decay=0.9)
    averaging, plain = (_trainer(_detector(), each) for each in (recipe, RECIPE))
    with pytest.raises(ValueError, match="another recipe"):
        averaging.load_state_dict(state)
    with pytest.raises(ValueError, match="another architecture"):
        plain.load_state_dict(state | {"weights": other.state_dict()})


def test_the_mean_of_the_weights_comes_out() -> None:
    recipe, batches = replace(RECIPE, steps=3), _batches()
    last, mean = _detector(), _detector()
    train(last, batches, recipe)
    history = train(mean, batches, replace(recipe, ema_decay=0.999))
    moved = [
        (
            torch.nn.utils.parameters_to_vector(each.parameters())
            - torch.nn.utils.parameters_to_vector(_detector().parameters())
        ).norm()
        for each in (last, mean)
    ]
    # Of the first updates it keeps 1/10, 2/11 and 3/12: nearly the last weights, behind them.
    assert 0.5 * moved[0] < moved[1] < moved[0]
    assert not mean.training
    np.testing.assert_array_equal(history.losses["total"], train(_detector(), batches, recipe).losses["total"])


@pytest.mark.parametrize("change", [{"bf16": True}, {"micro_batches": 2}])
def test_half_precision_and_parts_learn_alike(change: dict[str, Any]) -> None:
    recipe = replace(RECIPE, steps=8)
    plain, other = (train(_detector(), _batches(), each) for each in (recipe, replace(recipe, **change)))
    assert other.losses["total"][0] == pytest.approx(plain.losses["total"][0], rel=0.1)
    assert other.losses["total"][-2:].mean() < 0.8 * other.losses["total"][:2].mean()
    assert not np.array_equal(plain.losses["total"], other.losses["total"])


@cache
def _two_steps(backend: str | None) -> list[Step]:
    detector = small_mogface(seed=0).train()
    network = None if backend is None else torch.compile(detector, backend=backend)
    trainer = Trainer(DetectorTask("", RECIPE), detector, network)
    return [trainer.begin(_batches(normalisation=detector.normalisation)(step)).read() for step in range(2)]


# "aot_eager" is all of torch.compile but its code generation, which takes a minute on a CPU.
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.slow
def test_a_compiled_network_learns_the_same(backend: str) -> None:
    for plain, compiled in zip(_two_steps(None), _two_steps(backend), strict=True):
        assert compiled.losses == pytest.approx(plain.losses, rel=1e-4)
        assert compiled.gradient_norm == pytest.approx(plain.gradient_norm, rel=1e-3)
        assert compiled.counts == plain.counts


def _pending(box: float = 0.5, norm: float = 2.0, times: int = 1) -> PendingStep:
    terms = {"box": torch.tensor(box), "face": torch.tensor(0.25)}
    counts = {"positives": torch.tensor(7), "of_level": torch.tensor([1, 2, 4])}
    losses = Losses(terms, terms["box"] + terms["face"], counts)
    return PendingStep(4, ("a", "b"), 0.1, losses, torch.tensor(norm), lambda values: values * times, (3.0, 0.0))


def test_names_and_forms_are_kept() -> None:
    pending = _pending()
    counts = {"positives": 7, "of_level": [1, 2, 4]}
    assert pending.read() == Step({"box": 0.5, "face": 0.25, "total": 0.75}, 0.1, 2.0, counts, (3.0, 0.0))
    assert pending.number == 4


def test_all_of_it_is_summed_but_the_norm() -> None:
    done = _pending(times=2).read()
    assert done.losses["total"] == 1.5 and done.counts["of_level"] == [2, 4, 8] and done.aside == (6.0, 0.0)
    assert done.gradient_norm == 2


@pytest.mark.parametrize(
    ("box", "norm", "message"),
    [
        (float("nan"), 1.0, r"the loss of step 4 is not finite \(box nan, face 0.25, total nan\); its images: a, b; "),
        (float("inf"), float("nan"), r"the loss of step 4 is not finite \(box inf"),
        (0.5, float("inf"), r"the gradient of step 4 is not finite \(norm inf\); its images: a, b; check their"),
    ],
)
def test_what_is_not_finite_is_named(box: float, norm: float, message: str) -> None:
    pending = _pending(box, norm)
    assert not pending.finite and _pending().finite
    with pytest.raises(TrainingError, match=message):
        pending.read()
