"""Assigners: which anchor learns which face."""

from __future__ import annotations

from typing import ClassVar, Protocol

from pipeline.engine.registry import Registry
from pipeline.training.assigners.ali_ams import AliAms
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.atss import Atss
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.hambox import HamBox
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.assigners.ota import Ota
from pipeline.training.assigners.plan import Plan


class Assigner(Protocol):
    """A frozen set of parameters that can be called; without gradient, on the device of its arguments.

    Attributes:
        needs_prediction: whether it must be told what the detector says about the batch.
    """

    needs_prediction: ClassVar[bool]

    def __call__(self, anchors: Anchors, faces: FaceBatch, predicted: Predicted | None = None) -> Assignment:
        """Returns what each anchor of each image is to learn.

        Args:
            anchors: A of them, the same for all images.
            faces: of B images, in the frame of the anchors (pixels), by the same corner convention.
            predicted: of the same images and anchors; may be None where `needs_prediction` is False.

        Raises:
            ValueError: where a needed prediction is missing.
        """
        ...

    def plan(self, anchors: Anchors, faces: FaceBatch) -> Plan:
        """Returns what is known before the network has answered; settled with the answer it is what a call returns.

        Args:
            anchors: see the call; best on the host, as the faces.
            faces: likewise.
        """
        ...


ASSIGNERS: Registry[Assigner] = Registry(
    "assigner",
    {
        "max_iou": MaxIou(),
        "s3fd": MaxIou(forced=None, compensation=0.1),
        "mogface": MaxIou(forced=0.0, hand_over=False),
        "hambox": HamBox(),
        "atss": Atss(),
        "ota": Ota(),
        "ali_ams": AliAms(),
        "ali_ams_own_level": AliAms(reading="own_level"),
        "ali_ams_official": AliAms(reading="official"),
    },
)
"""Assigners by the name that a recipe gives; `max_iou` is RetinaFace's published matching, `mogface` the standard one
of MogFace's baseline; `ali_ams` is Algorithm 1 of the paper, `ali_ams_official` what was released for it,
but that a face without area takes no anchor."""
