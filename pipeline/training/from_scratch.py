"""From nothing to a trained detector in one call: first weights, images, batches, loop."""

from __future__ import annotations

import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.training.batches import Batches, Draw, render
from pipeline.training.loop import History, Progress, train
from pipeline.training.recipe import TrainingRecipe


def fresh_detector(name: str, seed: int) -> Detector:
    """Returns the detector `name` with the random weights that belong to `seed`.

    The process's own random stream is left where it was.

    Raises:
        ValueError: where there is no such detector.
    """
    if name not in DETECTORS:
        raise ValueError(f"no detector {name!r}; there are {', '.join(DETECTORS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DETECTORS[name].build()


def train_from_scratch(
    name: str, draw: Draw, recipe: TrainingRecipe, progress: Progress | None = None, device: str = "cpu"
) -> tuple[Detector, History]:
    """Returns a detector trained on drawn images, in evaluation mode on the CPU, and the history of its losses.

    Args:
        name: entry of `DETECTORS`.
        draw: index -> image, boxes, landmarks; indices 0 .. recipe.images - 1 are asked for, once each.
        recipe: everything that decides the outcome.
        progress: called after every step.
        device: where to compute.

    Raises:
        ValueError: where there is no such detector.
        TrainingError: where the loss stops being a number.
    """
    detector = fresh_detector(name, recipe.seed).to(device)
    batches = Batches(
        pool=render(draw, recipe.images),
        batch=recipe.batch,
        seed=recipe.seed,
        normalisation=detector.normalisation,
        crop=recipe.crop,
        shares=recipe.shares,
    )
    history = train(detector, batches, recipe, progress=progress)
    return detector.cpu(), history
