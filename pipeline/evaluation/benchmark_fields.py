"""Which benchmarks use what may be chosen about an evaluation: one list for the command line and for the stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pipeline.evaluation.metrics import METRICS

_WIDER: Final = ("wider",)

USED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "protocol": ("pascal", "afw"),
    "min_face": ("pascal", "afw"),
    "category": ("wider", "pascal", "afw", "coco", "single"),
    "max_detections": ("coco",),
    "score": ("wider", "single"),
    "ground_truth": _WIDER,
    "images": _WIDER,
    "nms": _WIDER,
    **dict.fromkeys(METRICS, _WIDER),
    "details": _WIDER,
    "reading": _WIDER,
    "unreadable": _WIDER,
}
"""Option -> the benchmarks that use it; all of them use an option that is not named here."""


def unused(benchmark: str, chosen: Iterable[str]) -> tuple[list[str], tuple[str, ...]] | None:
    """Returns chosen options that a benchmark does not use, and the benchmarks that use these; None without any.

    Where they are used by different benchmarks, those of the first one's are returned.
    """
    wrong = [name for name in chosen if benchmark not in USED_BY.get(name, (benchmark,))]
    if not wrong:
        return None
    users = USED_BY[wrong[0]]
    return [name for name in wrong if USED_BY[name] == users], users
