"""Samples to numbers about scale: of the faces, of what each augmentation makes of them, and of each pyramid level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, field_validator

from pipeline.data.records import Sample
from pipeline.data.schemas import SAMPLES, STATISTICS
from pipeline.engine.registry import Registry
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.models.detectors import DETECTORS
from pipeline.training.analysis.face_scales import (
    SCALE_EDGES,
    labelled_scales,
    level_shares_of,
    sampled_scales,
    scale_histogram,
)
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.spec import AssignerSpec
from pipeline.training.augment.policy import POLICIES, Policy


def _assigners() -> Registry[AssignerSpec]:
    """Returns the choices of `assigner`: no network predicts here."""
    entries = {name: spec for name, spec in ASSIGNERS.items() if not spec.needs_prediction}
    return Registry("assigner that needs boxes alone", entries)


class Statistics(WholeStage):
    """MogFace's Fig. 1b, its Table 2, and the shares that its Algorithm 2 gives the levels; no image is opened.

    The samples are those of a training with the same seed, size and augmentation whose colours are distorted. About 3 s
    per pass over the 12,880 images of WIDER FACE and augmentation, and 2 s for the levels.

    Attributes:
        policies: augmentations to sample, entries of `POLICIES`.
        seed: of the samples.
        epochs: passes over the set.
        side: of the training image, pixels; also the largest face that the levels are tried with.
        detector: entry of `DETECTORS` whose anchors the levels are.
        assigner: how anchors are matched; entry of `ASSIGNERS` that needs boxes alone.
    """

    name: ClassVar[str] = "statistics"
    version: ClassVar[str] = "2"
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = STATISTICS

    policies: tuple[str, ...] = ("das", "sse")
    seed: int = Field(0, ge=0)
    epochs: int = Field(1, ge=1)
    side: int = Field(640, ge=32)
    detector: Annotated[str, AfterValidator(DETECTORS.known)] = "mogface_baseline"
    assigner: str = Field("mogface", json_schema_extra=lambda schema: schema.update(enum=[*_assigners()]))

    @field_validator("policies")
    @classmethod
    def _policies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            POLICIES.find(name)
        if len(set(value)) != len(value):
            raise ValueError(f"an augmentation is named twice; there are {', '.join(POLICIES)}")
        return value

    @field_validator("assigner")
    @classmethod
    def _assigner(cls, value: str) -> str:
        return _assigners().known(value)

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the rows of the three parts, see `STATISTICS`.

        Raises:
            ValueError: if no readable image has a face.
        """
        samples = [Sample.from_row(row) for row in ctx.one("samples").rows()]
        samples = [sample for sample in samples if sample.error is None]
        labelled = labelled_scales(samples)
        if not len(labelled):
            raise ValueError(f"{ctx.one('samples').node}: no labelled face in {len(samples)} readable images")
        yield from _bins("original", scale_histogram(labelled))
        for name in self.policies:
            ctx.log(f"{name}: {len(samples):,} images, {self.epochs} times")
            chosen = Policy(POLICIES.find(name)(), side=self.side)
            drawn = sampled_scales(samples, chosen, self.seed, self.epochs)
            yield from _bins(name, scale_histogram(drawn.scales))
            if len(drawn.targets):
                yield from _targets(name, chosen, drawn.targets)
        ctx.log(f"levels of {self.detector}, matched by {self.assigner}")
        yield from self._levels(ctx)

    def _levels(self, ctx: StageContext) -> Iterator[Row]:
        import torch

        from pipeline.models.init import without_weights
        from pipeline.training.analysis.level_ranges import CRITERIA, PUBLISHED, sweep_levels

        torch.set_num_threads(max(1, int(ctx.resources.cpus)))
        with without_weights():  # only anchors and coder are asked for
            network = DETECTORS.find(self.detector).build()
        sweep = sweep_levels(network.grid, network.coder, ASSIGNERS[self.assigner].build(), self.side)
        ranges: dict[str, Sequence[tuple[float, float] | None]] = {each: sweep.ranges(each) for each in CRITERIA}
        # Published ranges are of six levels from stride 4 on.
        if sweep.levels == tuple(range(2, 8)):
            ranges |= {name: tuple(pairwise(edges)) for name, edges in PUBLISHED.items()}
        for name, of_levels in ranges.items():
            for place, (level, within) in enumerate(zip(sweep.levels, of_levels, strict=True)):
                given = sweep.given(within or (0.0, 0.0))
                low, high = within or (None, None)
                share = float(given[place] / max(1, given.sum()))
                yield _row("levels", name, level, low, high, int(given[place]), share)


def _bins(name: str, counts: NDArray[np.int64]) -> Iterator[Row]:
    borders: Sequence[float | None] = (None, *SCALE_EDGES, None)
    for (low, high), count in zip(pairwise(borders), counts.tolist(), strict=True):
        yield _row("scales", name, None, low, high, count, count / max(1, int(counts.sum())))


def _targets(name: str, chosen: Policy, targets: NDArray[np.float64]) -> Iterator[Row]:
    found = level_shares_of(chosen, targets)
    for place, (low, high) in enumerate(pairwise(found.edges)):
        expected = None if found.expected is None else float(found.expected[place])
        # The paper's six ranges are those of p2..p7.
        count, share = int(found.counts[place]), float(found.shares[place])
        yield _row("targets", name, 2 + place, low, high, count, share, expected)


def _row(*values: str | float | None) -> Row:
    """Returns a row of the first columns' values; `expected` may be left out."""
    return dict(zip(STATISTICS.names, (*values, None), strict=False))
