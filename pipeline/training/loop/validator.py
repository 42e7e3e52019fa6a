"""Protocol of the evaluation on held-out images during a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Validator(Protocol):
    """Evaluates the model that is being trained; picklable."""

    @property
    def name(self) -> str:
        """Key of the metrics in the log, such as "ap"."""
        ...

    def __call__(self, model: Any, rank: int, processes: int, /) -> Any:
        """Returns the results of a model in evaluation mode on one process's share of the images."""
        ...

    def metrics(self, shares: Sequence[Any]) -> dict[str, float]:
        """Returns name -> number of the shares of all processes together; NaN where one is undefined."""
        ...

    def score(self, metrics: Mapping[str, float]) -> float:
        """Returns the number by which weights are selected; larger is better."""
        ...
