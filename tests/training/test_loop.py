"""The loop learns, repeats itself to the byte, and stops with a clear word when the loss is not a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.detectors.detector import Detector, Normalisation
from pipeline.models.detectors.retinaface import retinaface_mobilenet
from pipeline.training.batches import Batches
from pipeline.training.example import Batch, Example
from pipeline.training.loop import TrainingError, train
from pipeline.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(steps=20, batch=4, warmup=2, learning_rate=4e-3)


def _pool() -> list[Example]:
    """Bright squares with two dark eyes on noise."""
    rng = np.random.default_rng(0)
    pool = []
    for index in range(8):
        image = rng.integers(60, 120, (96, 96, 3), dtype=np.uint8)
        x, y, s = (int(rng.integers(low, high)) for low, high in ((2, 40), (2, 40), (24, 50)))
        image[y : y + s, x : x + s] = 220
        points = np.float32([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * s + np.float32([x, y])
        for px, py in points[:2].astype(int):
            image[py - 2 : py + 3, px - 2 : px + 3] = 10
        pool.append(Example(f"square {index}", image, np.float32([[x, y, x + s, y + s]]), points[None]))
    return pool


def _batches() -> Batches:
    return Batches(_pool(), batch=4, seed=1, normalisation=Normalisation((104.0, 117.0, 123.0)))


def _detector(seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    return retinaface_mobilenet()


@pytest.mark.parametrize(
    "change", [{}, {"optimizer": "sgd", "learning_rate": 5e-3, "clip_norm": None, "decay": "steps"}]
)
def test_the_loss_falls(change: dict[str, Any]) -> None:
    told: list[tuple[int, int, dict[str, float]]] = []
    detector = _detector()
    history = train(detector, _batches(), replace(RECIPE, **change), progress=lambda *now: told.append(now))
    total = history.losses["total"]
    assert total[-5:].mean() < 0.6 * total[:5].mean()
    weighted = 2 * history.losses["box"] + history.losses["face"] + history.losses["landmarks"]
    np.testing.assert_allclose(total, weighted, rtol=1e-5)
    assert [(step, steps) for step, steps, _ in told] == [(i + 1, 20) for i in range(20)]
    assert told[7][2] == {name: float(values[7]) for name, values in history.losses.items()}
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


def test_settings_of_torch_are_given_back() -> None:
    train(_detector(), _batches(), replace(RECIPE, steps=1))
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_loss_that_is_no_number_names_step_and_images() -> None:
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
        for one in _pool()
    ]
    normal = Normalisation((104.0, 117.0, 123.0))
    detector = _detector()
    history = train(detector, Batches(pool, 4, 1, normal), replace(RECIPE, steps=2))
    plain = train(_detector(), Batches(_pool(), 4, 1, normal), replace(RECIPE, steps=2))
    np.testing.assert_array_equal(history.losses["total"], plain.losses["total"])


def test_a_long_gradient_is_cut() -> None:
    """Plain SGD at rate 0.5 (half a cosine, one step) moves the weights by half of the longest gradient allowed."""
    recipe = replace(RECIPE, steps=1, warmup=0, optimizer="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0)
    start = torch.nn.utils.parameters_to_vector(_detector().parameters()).detach()
    for clip_norm, moved in ((1e-2, 0.5e-2), (2e-2, 1e-2)):
        detector = _detector()
        train(detector, _batches(), replace(recipe, clip_norm=clip_norm))
        end = torch.nn.utils.parameters_to_vector(detector.parameters()).detach()
        assert (end - start).double().norm().item() == pytest.approx(moved, rel=1e-2)
