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
        recipe: every number that decides the outcome; its `rows` is the length of the network's tables.
        model_args: other arguments of its factory.
        weights: checkpoint to start from, a ranker's or a detector's; None for random weights.
    """

    name: str
    recipe: RankerRecipe
    model_args: Mapping[str, Any] = field(default_factory=dict)
    weights: bytes | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where switches and recipe say different lengths of the table."""
        if (rows := self.model_args.get("rows", self.recipe.num_candidates)) != self.recipe.num_candidates:
            raise ValueError(
                f"switch rows is {rows} and recipe.num_candidates {self.recipe.num_candidates}: leave the switch out"
            )

    def first(self) -> Ranker:
        """Returns the ranker to be trained, see `initial_ranker`."""
        ranker = initial_ranker(self.name, self.recipe.seed, self._switches, self.weights)
        ranker.checkpointed, ranker.frame = self.recipe.checkpointed, self.recipe.frame
        return ranker

    def task(self, model: Ranker, network: Callable[..., Tensor] | None = None) -> RankerTask:
        """Returns what the ranker is trained for."""
        return RankerTask(model, self.recipe, network)

    def saved(self, model: Ranker) -> bytes:
        """Returns the ranker with its name, switches and recipe: what `open_ranker` opens."""
        return save_bytes(self.name, model, {"model_args": self._switches, "recipe": asdict(self.recipe)})

    @property
    def _switches(self) -> dict[str, Any]:
        return {**self.model_args, "rows": self.recipe.num_candidates}
