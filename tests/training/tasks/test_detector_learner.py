"""A detector is made, taught and kept as its name, model args and recipe say."""

from __future__ import annotations

import torch

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.weights import open_detector
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector_learner import DetectorLearner


def test_what_is_kept_is_what_was_made() -> None:
    learner = DetectorLearner("mogface_mobilenet", DetectorRecipe(assigner="atss"), {"hcam": [], "width": 16})
    detector = learner.first()
    saved = learner.saved(detector)
    name, opened = open_detector(saved)
    assert name == "mogface_mobilenet" and opened.hierarchical is None
    assert all(torch.equal(value, opened.state_dict()[key]) for key, value in detector.state_dict().items())
    config = Checkpoint(saved).config
    assert config is not None and config["recipe"]["assigner"] == "atss"
    assert learner.task(detector).model is detector
    again = DetectorLearner(learner.name, learner.recipe, learner.model_args, weights=saved).first()
    assert learner.saved(again) == saved
