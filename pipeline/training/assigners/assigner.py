"""The interface of assigners: what anchors and faces alone decide, on the host, then what the prediction adds.

Which anchors may learn which face depends on boxes alone: lists of unknown length, for which a GPU would make the host
wait. The host makes them while the device computes the forward pass; from there on all lengths are fixed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch

from pipeline.models.transfer import to_device
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment, all_background, candidate_indices
from pipeline.training.assigners.faces import FaceBatch, Predicted


class Assigner(ABC):
    """A frozen set of parameters that can be called; without gradient, on the device of its arguments.

    Attributes:
        needs_prediction: whether the assignment depends on the detector's output for the batch.
    """

    __slots__ = ()

    needs_prediction: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, anchors: Anchors, faces: FaceBatch) -> PartialAssignment:
        """Returns what does not depend on the network's output; `complete` gives the assignment.

        Args:
            anchors: A of them, the same for all images; best on the host, as the faces.
            faces: of B images, in the frame of the anchors (pixels), with the same corner convention.
        """

    @torch.no_grad()
    def __call__(self, anchors: Anchors, faces: FaceBatch, predicted: Predicted | None = None) -> Assignment:
        """Returns the assignment of a batch.

        Args:
            anchors: see `prepare`.
            faces: see `prepare`.
            predicted: of the same images and anchors; may be None where `needs_prediction` is False.

        Raises:
            ValueError: a needed prediction is missing.
        """
        return self.prepare(anchors, faces).complete(predicted)


class PartialAssignment(Protocol):
    """The first step of an assigner."""

    def to(self, device: torch.device) -> PartialAssignment:
        """Returns it on the device of the prediction."""
        ...

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the assignment; to be called once.

        Args:
            predicted: the network's output for the batch, on the same device; may be None where none is needed.

        Raises:
            ValueError: a needed prediction is missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class StaticAssignment:
    """An assignment that needs no prediction.

    Attributes:
        assignment: without an ignored anchor; its `candidates` are recorded here where they are not yet.
    """

    assignment: Assignment

    def __post_init__(self) -> None:
        """Lists the candidates now, on the host; on the device it would wait for them."""
        if self.assignment.candidates is None:
            known = replace(self.assignment, candidates=candidate_indices(self.assignment))
            object.__setattr__(self, "assignment", known)

    def to(self, device: torch.device) -> StaticAssignment:
        """Returns it on a device."""
        return self if self.assignment.label.device == device else StaticAssignment(self.scattered(device))

    def scattered(self, device: torch.device) -> Assignment:
        """Returns the assignment rebuilt on a device; only FACE anchors are copied, a few thousand numbers."""
        known = self.assignment
        index = candidate_indices(known)
        flat = (index, known.face.view(-1)[index], known.compensated.view(-1)[index])
        index, face, compensated = (to_device(each, device) for each in flat)
        there = all_background(known.label.shape[0], known.label.shape[1], device)
        there.face.view(-1)[index] = face
        there.label.view(-1).index_fill_(0, index, FACE)
        there.compensated.view(-1)[index] = compensated
        return replace(there, candidates=index)

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the assignment; `predicted` is unused."""
        return self.assignment
