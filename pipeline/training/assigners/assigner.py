"""The interface of assigners."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.partial import PartialAssignment


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
