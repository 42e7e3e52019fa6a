"""A detector as something to be trained: made by name, taught what its paper teaches it, kept as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import save_bytes
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask, task_of
from pipeline.training.tasks.initialise import initial_detector


@dataclass(frozen=True)
class DetectorLearner:
    """A `Learner` of detectors.

    Attributes:
        name: entry of `DETECTORS`.
        recipe: every number that decides the outcome.
        model_args: arguments of its factory.
        weights: checkpoint to start from, None for random weights.
    """

    name: str
    recipe: DetectorRecipe
    model_args: Mapping[str, Any] = field(default_factory=dict)
    weights: bytes | None = None

    def first(self) -> Detector:
        """Returns the detector to be trained, see `initial_detector`."""
        return initial_detector(self.name, self.recipe.seed, self.model_args, self.weights)

    def task(self, model: Detector, network: Callable[..., Any] | None = None) -> DetectorTask:
        """Returns what the detector is trained for, see `task_of`."""
        return task_of(model, self.recipe, network)

    def saved(self, model: Detector) -> bytes:
        """Returns the detector with its name, model args and recipe: what `open_detector` opens."""
        return save_bytes(self.name, model, {"model_args": dict(self.model_args), "recipe": asdict(self.recipe)})
