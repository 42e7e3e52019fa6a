"""Evaluated runs as a page shows them, and their AP over the image size: CRFace's Fig. 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.wider_ap import ApCounts


@dataclass(frozen=True, slots=True)
class RunResult:
    """A detector on a canvas, and its AP.

    Attributes:
        name: of the run.
        detector: registry name of the detector, or where the predictions come from.
        canvas: "original", "8k" or a long edge; "" where it is not known.
        protocol: plain values; known keys get a caption, others are shown as they are.
        ap: subset -> AP in 0..1, NaN where it does not exist.
        counts: subset -> counts, for the curves.
        way: how candidates became detections; runs that differ in size alone have the same one.
        edge: long edge of the image as the detector saw it, pixels; 0 where it is not one number.
        ms: milliseconds of one image in one worker, to its candidates and from them on; None where not known.
        image_ms: of the whole way from an image to its detections, every detector and canvas; None where not known.
        ceiling: whether the faces were known to it (an oracle): a limit and no result.
    """

    name: str
    detector: str
    canvas: str
    protocol: Mapping[str, Any]
    ap: Mapping[str, float]
    counts: Mapping[str, ApCounts]
    way: str = ""
    edge: float = 0.0
    ms: tuple[float | None, float | None] = (None, None)
    image_ms: float | None = None
    ceiling: bool = False


def ap_by_size(runs: Sequence[RunResult], subset: str) -> dict[str, list[tuple[float, float]]]:
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
