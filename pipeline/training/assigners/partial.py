"""What an assigner finds out without the network's answer, on the host, and how the answer settles the rest.

Which anchors can learn which face hangs on their boxes alone: long lists whose length nobody knows beforehand, for
which a GPU would make the host wait. They are made on the host, while the device computes the answer they are then
settled with, and have fixed lengths from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch

from pipeline.models.transfer import moved
from pipeline.training.assigners.assignment import FACE, Assignment, all_background, candidate_indices
from pipeline.training.assigners.faces import Predicted


class PartialAssignment(Protocol):
    """Half an assignment."""

    def to(self, device: torch.device) -> PartialAssignment:
        """Returns the plan on the device of the answer."""
        ...

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the assignment; to be called once.

        Args:
            predicted: what the network says about the batch, on the plan's device; may be None where the assigner
                needs no prediction.

        Raises:
            ValueError: where a needed prediction is missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class StaticAssignment:
    """A plan that leaves nothing open.

    Attributes:
        assignment: without an ignored anchor.
    """

    assignment: Assignment

    def to(self, device: torch.device) -> StaticAssignment:
        """Returns it on a device."""
        return self if self.assignment.label.device == device else StaticAssignment(self.scattered(device))

    def scattered(self, device: torch.device) -> Assignment:
        """Returns the assignment, put together anew on a device; only FACE anchors travel, a few thousand numbers."""
        known = self.assignment
        places = candidate_indices(known)
        flat = (places, known.face.view(-1)[places], known.compensated.view(-1)[places])
        place, face, added = (moved(each, device) for each in flat)
        there = all_background(known.label.shape[0], known.label.shape[1], device)
        there.face.view(-1)[place] = face
        there.label.view(-1).index_fill_(0, place, FACE)
        there.compensated.view(-1)[place] = added
        return replace(there, places=place)

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the assignment; the prediction is not looked at."""
        return self.assignment
