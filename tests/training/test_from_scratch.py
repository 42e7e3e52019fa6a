"""First weights belong to the seed; one call goes from drawn images to a detector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.data.datasets.synthetic import Synthetic
from pipeline.training.from_scratch import fresh_detector, train_from_scratch
from pipeline.training.recipe import TrainingRecipe


def test_weights_belong_to_the_seed() -> None:
    a, b, c = (fresh_detector("retinaface_mobilenet", seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_the_random_stream_of_the_process_is_untouched() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    fresh_detector("retinaface_mobilenet", 9)
    assert torch.equal(torch.rand(3), expected)


def test_unknown_detector_lists_the_choices() -> None:
    with pytest.raises(ValueError, match=r"yolo.*retinaface_mobilenet"):
        fresh_detector("yolo", 0)


def test_one_call_asks_each_image_once_and_trains() -> None:
    asked: list[int] = []
    synthetic = Synthetic(images=6, split="train", width=96, height=96)

    def draw(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        asked.append(index)
        return synthetic.draw(index)

    recipe = TrainingRecipe(steps=4, batch=3, images=6, crop=64, warmup=1)
    detector, history = train_from_scratch("retinaface_mobilenet", draw, recipe)
    assert asked == list(range(6))
    assert not detector.training
    assert len(history.rates) == 4
    again, repeated = train_from_scratch("retinaface_mobilenet", synthetic.draw, recipe)
    np.testing.assert_array_equal(history.losses["total"], repeated.losses["total"])
    start = fresh_detector("retinaface_mobilenet", recipe.seed).state_dict()
    for name, value in detector.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        # The heads of the coarsest level may have had no face to learn from.
        assert name.startswith("heads") or not torch.equal(value, start[name]), f"{name} never moved"
