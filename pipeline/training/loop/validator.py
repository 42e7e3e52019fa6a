"""Looks at held-out images on the way: who judges, and what makes one verdict better than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Validator(Protocol):
    """Looks at held-out images with what is being trained; picklable."""

    @property
    def measure(self) -> str:
        """What the log calls its verdicts: "ap", say."""
        ...

    def __call__(self, model: Any, rank: int, processes: int, /) -> Any:
        """Returns what the model, in evaluation mode, finds on one process's share of the images."""
        ...

    def verdict(self, shares: Sequence[Any]) -> dict[str, float]:
        """Returns name -> number of the shares of all processes together; NaN where one cannot be told."""
        ...

    def worth(self, verdict: Mapping[str, float]) -> float:
        """Returns what is to be as large as possible: the best weights are those with the largest."""
        ...


def mean_ap(ap: Mapping[str, float]) -> float:
    """Returns the mean of the levels that can be judged; levels without a face are no number."""
    known = [value for value in ap.values() if value == value]
    return sum(known) / max(len(known), 1)
