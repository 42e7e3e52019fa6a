"""AP over the image size, one line per way from candidates to detections: CRFace's Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evaluation.run_result import RunResult

Lines = dict[str, list[tuple[float, float]]]


def ap_by_size(runs: Sequence[RunResult], subset: str) -> Lines:
    """Returns way -> (long edge in pixels, AP) with rising edge; empty where no way has two sizes.

    With several detectors each has lines of its own, named by detector and way. Of two runs of one way and size the
    first counts. Runs without a size or an AP are left out.
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
