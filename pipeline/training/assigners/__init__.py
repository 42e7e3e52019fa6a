"""Assigners: which anchor learns which face, by the names that a recipe gives, in one explicit table.

Importing it costs nothing: torch is imported when one is built. `assigner.py` is the interface.
"""

from __future__ import annotations

from functools import partial

from pipeline.engine.registry import Registry
from pipeline.models.lazy import Lazy
from pipeline.training.assigners.spec import AssignerSpec

_MAX_IOU, _HAMBOX, _ATSS, _OTA, _ALI_AMS = (
    f"{__name__}.{file}" for file in ("max_iou", "hambox", "atss", "ota", "ali_ams")
)
_online = partial(AssignerSpec, needs_prediction=True)

ASSIGNERS = Registry(
    "assigner",
    {
        "max_iou": AssignerSpec("RetinaFace's published matching by IoU", Lazy(_MAX_IOU, "MaxIou")),
        "s3fd": AssignerSpec(
            "S3FD's two steps: by IoU, then more anchors for faces that have few",
            Lazy(_MAX_IOU, "MaxIou", {"low_quality_iou": None, "compensation": 0.1}),
        ),
        "mogface": AssignerSpec(
            "the standard matching of MogFace's baseline, `STANDARD`",
            Lazy(_MAX_IOU, "MaxIou", {"low_quality_iou": 0.0, "reassign_best": False}),
        ),
        "hambox": _online(
            "HAMBox: more anchors for faces that have few, by their decoded boxes", Lazy(_HAMBOX, "HamBox")
        ),
        "atss": AssignerSpec("ATSS: a threshold of its own for each face", Lazy(_ATSS, "Atss")),
        "ota": _online("OTA: optimal transport between faces and anchors", Lazy(_OTA, "Ota")),
        "ali_ams": _online("Ali-AMS: Algorithm 1 of MogFace's paper", Lazy(_ALI_AMS, "AliAms")),
        "ali_ams_own_level": _online(
            "Ali-AMS as released, with candidates of the right level",
            Lazy(_ALI_AMS, "AliAms", {"variant": "own_level"}),
        ),
        "ali_ams_official": _online(
            "Ali-AMS as released, but that a face without area takes no anchor",
            Lazy(_ALI_AMS, "AliAms", {"variant": "official"}),
        ),
    },
)
