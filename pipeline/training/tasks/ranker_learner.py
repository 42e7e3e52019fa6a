"""A ranker as something to be trained: made by name, taught the order of boxes, kept as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import save_bytes
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.initialise_ranker import initial_ranker
from pipeline.training.tasks.ranker import RankerTask


@dataclass(frozen=True)
class RankerLearner:
    """A `Learner` of rankers.

    Attributes:
        name: entry of `RANKERS`.
        recipe: every number that decides the outcome; its `num_candidates` is the length of the network's tables.
        model_args: other arguments of its factory.
        weights: checkpoint to start from, a ranker's or a detector's; None for random weights.
    """

    name: str
    recipe: RankerRecipe
    model_args: Mapping[str, Any] = field(default_factory=dict)
    weights: bytes | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where model args and recipe say different lengths of the table."""
        wanted = self.recipe.num_candidates
        if (given := self.model_args.get("num_candidates", wanted)) != wanted:
            raise ValueError(
                f"switch num_candidates is {given} and recipe.num_candidates {wanted}: leave the switch out"
            )

    def first(self) -> Ranker:
        """Returns the ranker to be trained, see `initial_ranker`."""
        ranker = initial_ranker(self.name, self.recipe.seed, self._model_args, self.weights)
        ranker.checkpointed, ranker.frame = self.recipe.checkpointed, self.recipe.frame
        return ranker

    def task(self, model: Ranker, network: Callable[..., Tensor] | None = None) -> RankerTask:
        """Returns what the ranker is trained for."""
        return RankerTask(model, self.recipe, network)

    def saved(self, model: Ranker) -> bytes:
        """Returns the ranker with its name, model args and recipe: what `open_ranker` opens."""
        return save_bytes(self.name, model, {"model_args": self._model_args, "recipe": asdict(self.recipe)})

    @property
    def _model_args(self) -> dict[str, Any]:
        return {**self.model_args, "num_candidates": self.recipe.num_candidates}
