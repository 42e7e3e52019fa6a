"""One evaluated run as a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.wider_ap import ApCounts
from pipeline.evaluation.wider_result import WiderResult


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

    @classmethod
    def of(cls, result: WiderResult, name: str, detector: str = "", canvas: str = "") -> RunResult:
        """Returns the row of an evaluation."""
        return cls(name, detector, canvas, result.protocol, result.ap, result.counts)
