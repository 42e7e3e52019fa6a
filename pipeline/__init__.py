"""wider8k's library, in floors: engine and boxes; data and cluster; models; training, inference and evaluation.

The door for a script or a notebook; each name is loaded when it is first used, so that importing this costs nothing:

    faces = pipeline.detect("photo.jpg", "retinaface_mobilenet0.25_Final.pth")
    result = pipeline.evaluate({"photo": faces}, {"photo": labelled_boxes})
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.api.detector import FaceDetector, detect, load
    from pipeline.api.evaluation import Evaluation, evaluate
    from pipeline.api.faces import Faces
    from pipeline.api.ranker import FaceRanker, load_ranker

__all__ = ["Evaluation", "FaceDetector", "FaceRanker", "Faces", "detect", "evaluate", "load", "load_ranker"]

_MODULE_OF: Final = {
    "Evaluation": "evaluation",
    "FaceDetector": "detector",
    "FaceRanker": "ranker",
    "Faces": "faces",
    "detect": "detector",
    "evaluate": "evaluation",
    "load": "detector",
    "load_ranker": "ranker",
}


def __getattr__(name: str) -> Any:
    """Returns a name of `__all__`, loaded now. Raises AttributeError: there is no such name."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.api.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """Returns the names that exist, those not loaded yet as well."""
    return sorted({*globals(), *__all__})
