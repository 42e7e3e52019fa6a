"""Assigners: which anchor learns which face, by the names that a recipe gives."""

from __future__ import annotations

from pipeline.engine.registry import Registry
from pipeline.training.assigners.ali_ams import AliAms
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.atss import Atss
from pipeline.training.assigners.hambox import HamBox
from pipeline.training.assigners.max_iou import STANDARD, MaxIou
from pipeline.training.assigners.ota import Ota

__all__ = ["ASSIGNERS", "Assigner"]

ASSIGNERS: Registry[Assigner] = Registry(
    "assigner",
    {
        "max_iou": MaxIou(),
        "s3fd": MaxIou(low_quality_iou=None, compensation=0.1),
        "mogface": STANDARD,
        "hambox": HamBox(),
        "atss": Atss(),
        "ota": Ota(),
        "ali_ams": AliAms(),
        "ali_ams_own_level": AliAms(variant="own_level"),
        "ali_ams_official": AliAms(variant="official"),
    },
)
"""Assigners by the name that a recipe gives; `max_iou` is RetinaFace's published matching, `mogface` the standard one
of MogFace's baseline; `ali_ams` is Algorithm 1 of the paper, `ali_ams_official` what was released for it,
but that a face without area takes no anchor."""
