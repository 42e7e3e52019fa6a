"""What the project knows of a detector beside its network: how it is trained, and which published files hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.models.published_names import Names

if TYPE_CHECKING:
    from pipeline.models.detectors.detector import Detector

Decides = Literal["main", "progressive", "where_masked", "product"]
"""Whose score counts where a detector has two classifiers, see `SixLevelDetector.decide_by`."""


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """One entry of `DETECTORS`.

    Attributes:
        description: one line for a list of choices.
        make: makes it with random weights; keyword arguments are its switches.
        assigner: entry of `ASSIGNERS` that it is trained with unless a recipe names another.
        objective: its loss, entry of `OBJECTIVES`.
        published_names: names in published checkpoints, and ours.
        content_hashes: SHA-256 of published files that hold weights of exactly this detector.
    """

    description: str
    make: Callable[..., Detector]
    assigner: str = "max_iou"
    objective: str = "softmax"
    published_names: Names = ()
    content_hashes: frozenset[str] = frozenset()

    def build(self, **model_args: object) -> Detector:
        """Returns the detector with random weights; it knows this entry as its `spec`.

        Raises:
            ValueError: there is no such switch, or it has no such value.
        """
        detector = self.make(**model_args)
        detector.spec = self
        return detector
