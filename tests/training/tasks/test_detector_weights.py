"""First weights of a detector depend on the seed, or on the checkpoint; a saved task is built again from its file."""

from __future__ import annotations

import pytest
import torch

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector, save_bytes
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask


def initial_detector(name: str, seed: int, model_args: dict | None = None, weights: bytes | None = None) -> Detector:
    return DetectorTask(name, DetectorRecipe(seed=seed), model_args or {}, weights).build()


def test_weights_belong_to_the_seed() -> None:
    a, b, c = (initial_detector("retinaface_mobilenet", seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_the_random_stream_of_the_process_is_untouched() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    initial_detector("retinaface_mobilenet", 9)
    assert torch.equal(torch.rand(3), expected)


def test_unknown_detector_lists_the_choices() -> None:
    with pytest.raises(ValueError, match=r"yolo.*retinaface_mobilenet"):
        initial_detector("yolo", 0)


def test_switches_reach_the_factory() -> None:
    with pytest.raises(ValueError, match=r"no switch no_such_switch; there are .*width"):
        initial_detector("mogface_mobilenet", 0, {"no_such_switch": 1})
    few = initial_detector("mogface_mobilenet", 0, {"hcam": None})
    many = initial_detector("mogface_mobilenet", 0, {"hcam": (3, 5)})
    assert len(few.state_dict()) < len(many.state_dict())


def test_a_checkpoint_takes_the_place_of_the_random_weights() -> None:
    stored = initial_detector("retinaface_mobilenet", 5)
    started = initial_detector("retinaface_mobilenet", 0, weights=save_bytes("retinaface_mobilenet", stored))
    assert all(torch.equal(value, started.state_dict()[name]) for name, value in stored.state_dict().items())


def test_a_checkpoint_of_another_architecture_is_refused() -> None:
    stored = save_bytes("mogface_mobilenet", initial_detector("mogface_mobilenet", 0))
    with pytest.raises(ValueError, match=r"checkpoint does not fit .* missing: "):
        initial_detector("retinaface_mobilenet", 0, weights=stored)


def test_what_is_saved_is_what_was_built() -> None:
    task = DetectorTask("mogface_mobilenet", DetectorRecipe(assigner="atss"), {"hcam": [], "width": 16})
    detector = task.build()
    saved = task.save(detector)
    name, opened = open_detector(saved)
    assert name == "mogface_mobilenet" and opened.hierarchical is None
    assert all(torch.equal(value, opened.state_dict()[key]) for key, value in detector.state_dict().items())
    config = Checkpoint(saved).config
    assert config is not None and config["recipe"]["assigner"] == "atss"
    assert task.save(DetectorTask(task.name, task.recipe, task.model_args, weights=saved).build()) == saved
