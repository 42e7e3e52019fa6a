"""What detections came from: the candidates, the detector that found them and the ranker that ordered them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import StageContext

FOLLOWED: Final = ("ap", "detections", "candidates", "checkpoint")
"""Ports that lead from an evaluation to all that its AP came from."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What one row of a table or one run of a report came from.

    Attributes:
        detections: what was evaluated.
        candidates: what a detector found; the detections themselves where nothing was done to them, or where they were
            made of those of several detectors.
        detector: the checkpoint that the candidates were found with; None for weights from outside.
        ranker: the checkpoint that the detections were ordered with; None without a ranker and for weights from
            outside.
        ap: their evaluation, None without one.
    """

    detections: Artifact
    candidates: Artifact
    detector: Artifact | None = None
    ranker: Artifact | None = None
    ap: Artifact | None = None

    @property
    def steps(self) -> tuple[Artifact, ...]:
        """Each of them once, the first cause first."""
        steps = (self.detector, self.candidates, self.ranker, self.detections, self.ap)
        return tuple({each.node: each for each in steps if each is not None}.values())

    @property
    def times(self) -> tuple[float | None, float | None]:
        """Milliseconds of one image to its candidates, and from them to its detections; None where there is no step."""
        final = self.candidates.manifest.content_hash == self.detections.manifest.content_hash
        return self.candidates.ms_per_row(), None if final else self.detections.ms_per_row()


def lineage_of(ctx: StageContext, detections: Artifact, ap: Artifact | None = None) -> Lineage:
    """Returns what detections came from, found along the wiring of the graph."""
    candidates = detections
    while before := ctx.source(candidates, "candidates"):
        candidates = before
    detector = ctx.source(candidates, "checkpoint")
    ranker = None if candidates is detections else ctx.source(detections, "checkpoint")
    return Lineage(detections, candidates, detector, ranker, ap)


def lineage_of_ap(ctx: StageContext, ap: Artifact) -> Lineage:
    """Returns what an evaluation came from."""
    detections = ctx.source(ap, "detections")
    assert detections is not None, f"{ap.node} was made from no detections"
    return lineage_of(ctx, detections, ap)
