"""What the project knows of an assigner without importing it: how it is made, and whether boxes alone decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.training.assigners.assigner import Assigner


@dataclass(frozen=True, slots=True)
class AssignerSpec:
    """One entry of `ASSIGNERS`.

    Attributes:
        description: one line for a list of choices.
        make: makes it.
        needs_prediction: what its class says, known without importing it; such an assigner cannot be had where there
            is no network, as in `Statistics`.
    """

    description: str
    make: Callable[[], Assigner]
    needs_prediction: bool = False

    def build(self) -> Assigner:
        """Returns the assigner.

        Raises:
            ValueError: its class says otherwise than this entry whether it needs predictions.
        """
        assigner = self.make()
        if assigner.needs_prediction != self.needs_prediction:
            raise ValueError(
                f"{type(assigner).__name__} has needs_prediction = {assigner.needs_prediction}, its entry of ASSIGNERS "
                f"{self.needs_prediction}: write the same in both"
            )
        return assigner
