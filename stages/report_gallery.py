"""The photographs of a report: the images of most mistakes, small, with what every run did in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode
from pipeline.data.records import WITHOUT_LANDMARKS, Detections, Sample, read_detections
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import StageContext
from pipeline.evaluation.hits_and_misses import ImageMatches, most_detections, most_mistakes, shrink
from pipeline.evaluation.page import View
from pipeline.evaluation.photographs import GalleryItem, RunMarks, counted_faces, fit_jpegs, mark_image, most_marks
from pipeline.evaluation.run_result import RunResult

MOST_VIEWS: Final = 6
"""Runs that a reader can turn to; tabs of more do not fit, nor do their boxes."""

Pairs = Sequence[tuple[Sample, Detections]]


@dataclass(frozen=True, slots=True)
class Photographs:
    """What a page shows of images: items with the runs of `views`, and a line for each image that cannot be read."""

    items: Sequence[GalleryItem]
    views: Sequence[View]
    unseen: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Run:
    """Detections of the shown images, and the scores of the whole set, float32 [N] falling."""

    name: str
    found: dict[str, Detections]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Which images a report shows.

    Attributes:
        score: raw score from which on a detection of the first run counts.
        subset: whose faces count.
        limit: images at most.
        labelled: whether the images with most mistakes come first; without labels those with most detections.
    """

    score: float
    subset: str
    limit: int
    labelled: bool

    def of(self, ctx: StageContext, pairs: Pairs, runs: Sequence[tuple[str, Artifact]]) -> Photographs:
        """Returns the photographs.

        Args:
            ctx: of the report.
            pairs: images and detections of the first run.
            runs: name and detections of every run, the first one first.
        """
        samples = {sample.image_id: sample for sample, _ in pairs}
        readable, pixels, unseen = self._read(ctx, pairs, samples)
        wanted = {each.image_id for each in readable}
        loaded = [_load(name, artifact, wanted) for name, artifact in runs[:MOST_VIEWS]] if wanted else []
        alike = int((loaded[0].scores >= self.score).sum()) if loaded else 0
        views = [_view(run, None if place else self.score, alike) for place, run in enumerate(loaded)]
        most = most_marks(len(loaded))
        items = []
        for matches, jpeg in zip(readable, fit_jpegs(pixels, len(pixels)), strict=True):
            sample = samples[matches.image_id]
            faces = counted_faces(sample, self.subset) if self.labelled else np.zeros((0, 4))
            marks = [self._marks(sample, run, view, most) for run, view in zip(loaded, views, strict=True)]
            items.append(GalleryItem(matches, jpeg, faces, marks))
        return Photographs(items, views, unseen)

    def _read(
        self, ctx: StageContext, pairs: Pairs, samples: dict[str, Sample]
    ) -> tuple[list[ImageMatches], list[NDArray[np.uint8]], list[str]]:
        """Returns the images to show, their pixels, and a line for each that can no longer be read."""
        read = ImageReader(ctx, ctx.one("samples")).read
        if self.labelled:
            chosen = most_mistakes(pairs, self.score, self.subset, self.limit)
        else:
            chosen = most_detections(pairs, self.score, self.limit)
        readable, pixels, unseen = [], [], []
        for each in chosen:
            try:
                pixels.append(shrink(decode(read(samples[each.image_id].path))))
            except (OSError, ValueError) as error:  # gone or changed since it was indexed: no reason to lose the page
                unseen.append(f"{each.image_id} is not shown: {error}")
            else:
                readable.append(each)
        return readable, pixels, unseen

    def _marks(self, sample: Sample, run: _Run, view: View, most: int) -> RunMarks | None:
        found = run.found.get(sample.image_id)
        if found is None or found.error:
            return None
        return mark_image(sample, found, view.low, most, self.subset if self.labelled else None, view.score)


def shown_runs(runs: Sequence[RunResult], subset: str, most: int = MOST_VIEWS) -> list[int]:
    """Returns the places of the runs that a reader can turn to, rising; all where there are no more than `most`.

    The first, then the best of each way to come by detections (one canvas, a union, each mode, each ranker, an oracle)
    by its AP in `subset`, then others in order.
    """
    ranked = sorted(range(len(runs)), key=lambda place: -_known(runs[place].ap.get(subset, math.nan)))
    best: dict[tuple[str, str], int] = {}
    for place in ranked:
        run = runs[place]
        seen = "one" if run.edge else "several" if "+" in run.canvas else run.canvas
        best.setdefault((run.way, seen), place)
    order = dict.fromkeys([*range(min(1, len(runs))), *best.values(), *range(len(runs))])
    return sorted(list(order)[:most])


def joined(samples: Artifact, detections: Artifact) -> Iterator[tuple[Sample, Detections]]:
    """Yields the images that some detections are of, with them, in the order of the samples."""
    found = {each.image_id: each for table in detections.tables() for each in read_detections(table)}
    for row in samples.rows():
        if row["image_id"] in found:
            yield Sample.from_row(row), found[row["image_id"]]


def _load(name: str, artifact: Artifact, wanted: set[str]) -> _Run:
    found, scores = {}, [np.zeros(0, np.float32)]
    for table in artifact.tables(WITHOUT_LANDMARKS):
        for each in read_detections(table):
            scores.append(each.scores)
            if each.image_id in wanted:
                found[each.image_id] = each
    return _Run(name, found, np.sort(np.concatenate(scores))[::-1])


def _view(run: _Run, score: float | None, alike: int) -> View:
    """Returns a run with its first score; `alike` detections of the whole set reach it where none is given.

    The lowest score to choose is that of three times as many.
    """
    if not len(run.scores):
        return View(run.name, score or 0.0)
    last = len(run.scores) - 1
    start = float(run.scores[min(last, max(0, alike - 1))]) if score is None else score
    low = float(run.scores[min(last, 3 * alike)])
    # Rounded outwards, as the page shows them: what reaches the score itself stays.
    high = max(start, float(run.scores[0]))
    return View(run.name, _floor(start), _floor(min(low, start)), -_floor(-high))


def _known(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _floor(value: float) -> float:
    return float(np.floor(1000 * value) / 1000)
