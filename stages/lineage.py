"""What detections came from: the candidates, the detector that found them and the ranker that ordered them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import StageContext
from pipeline.evaluation.evaluation_table import CONTENT_HASH
from stages.text_predictions import TextPredictions

FOLLOWED: Final = ("ap", "detections", "candidates", "checkpoint")
"""Ports that lead from an evaluation to all that its AP came from."""
_BOXES: Final = ("detections", "candidates")  # those through which boxes come


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
        found_by: all nodes that read images, or text of others, and whose boxes are in the detections.
        refined_by: all nodes between these and the detections, themselves included.
    """

    detections: Artifact
    candidates: Artifact
    detector: Artifact | None = None
    ranker: Artifact | None = None
    ap: Artifact | None = None
    found_by: tuple[Artifact, ...] = ()
    refined_by: tuple[Artifact, ...] = ()

    @property
    def steps(self) -> tuple[Artifact, ...]:
        """Each of them once, the first cause first."""
        steps = (self.detector, self.candidates, self.ranker, self.detections, self.ap)
        return tuple({each.node: each for each in steps if each is not None}.values())

    @property
    def times(self) -> tuple[float | None, float | None]:
        """Milliseconds of one image until all its boxes are found, and from then on.

        None where there is no step, and where boxes were read as text: what their detector took is not known.
        """
        return _ms(self.found_by), _ms(self.refined_by)

    @property
    def image_ms(self) -> float | None:
        """Milliseconds of one image in one worker, every step counted once; None where one of them has no time."""
        return _ms((*self.found_by, *self.refined_by))


def lineage_of(ctx: StageContext, detections: Artifact, ap: Artifact | None = None) -> Lineage:
    """Returns what detections came from, found along the wiring of the graph."""
    candidates = detections
    while before := ctx.source(candidates, "candidates"):
        candidates = before
    # A node that was given candidates orders them, with a ranker's weights; one that was not may have a detector's.
    orders = bool(ctx.lineage.get(detections.node, {}).get("candidates"))
    detector = None if orders and candidates is detections else ctx.source(candidates, "checkpoint")
    ranker = ctx.source(detections, "checkpoint") if orders else None
    nodes = {each.node: each for each in _upstream(ctx, detections)}
    refined = {name for name in nodes if any(ctx.lineage.get(name, {}).get(port) for port in _BOXES)}
    found_by = tuple(each for name, each in nodes.items() if name not in refined)
    refined_by = tuple(each for name, each in nodes.items() if name in refined)
    return Lineage(detections, candidates, detector, ranker, ap, found_by, refined_by)


def lineage_of_ap(ctx: StageContext, ap: Artifact) -> Lineage:
    """Returns what an evaluation came from."""
    detections = ctx.source(ap, "detections")
    assert detections is not None, f"{ap.node} was made from no detections"
    return lineage_of(ctx, detections, ap)


def facts_of(line: Lineage) -> Iterator[tuple[str, Any]]:
    """Yields ("stage.parameter", value) of all that led to a row, the first cause first."""
    for step in line.steps:
        fields = step.manifest.fingerprint_fields
        yield from _flat(fields["stage"], {**fields["params"], **fields["file_hashes"]})
        if step in (line.detector, line.ranker):
            yield f"{fields['stage']}.{CONTENT_HASH}", next(step.rows([CONTENT_HASH]))[CONTENT_HASH]


def _upstream(ctx: StageContext, detections: Artifact) -> Iterator[Artifact]:
    """Yields the outputs whose boxes are in the detections, themselves first; one may come more than once."""
    yield detections
    for port in _BOXES:
        for source in ctx.lineage.get(detections.node, {}).get(port, ()):
            yield from _upstream(ctx, source)


def is_text(found: Artifact) -> bool:
    """Returns whether boxes are predictions of others that were read from text."""
    return bool(found.manifest.fingerprint_fields["stage"] == TextPredictions.name)


def _ms(steps: tuple[Artifact, ...]) -> float | None:
    if any(map(is_text, steps)):
        return None
    known = [ms for each in steps if (ms := each.ms_per_row()) is not None]
    return sum(known) if known and len(known) == len(steps) else None


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value
