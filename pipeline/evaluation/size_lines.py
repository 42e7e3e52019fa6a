"""AP over the size of the image, a line for each way from candidates to detections: CRFace's Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.evaluation.page import RunResult

Lines = dict[str, list[tuple[float, float]]]


def size_lines(runs: Sequence[RunResult], subset: str) -> Lines:
    """Returns way -> (long edge in pixels, AP), rising in the edge; empty where no way was tried at two sizes.

    Where there are several detectors each has lines of its own, and its name in theirs. Of two runs of one way and size
    the first counts. Runs whose size is not known, or that have no AP, are left out.
    """
    found: dict[str, dict[float, float]] = {}
    alone = len({run.detector for run in runs}) == 1
    for run in runs:
        if run.edge and subset in run.ap:
            name = run.way if alone else f"{run.detector}: {run.way}"
            found.setdefault(name, {}).setdefault(run.edge, run.ap[subset])
    if all(len(points) < 2 for points in found.values()):
        return {}
    return {way: sorted(points.items()) for way, points in found.items()}
