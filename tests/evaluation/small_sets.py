"""Small random sets with every oddity, and slow, obvious counts of them: one detection and one face at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.wider_ap import Matches, ScoreRange, match_images, score_range

LEVELS = ("easy", "medium", "hard")


@dataclass(frozen=True)
class SmallSet:
    truth: WiderGroundTruth
    predictions: PredictionSet

    @property
    def scores(self) -> ScoreRange:
        return score_range(self.predictions.select(self.truth.image_ids).scores)

    @property
    def matches(self) -> Matches:
        return match_images(self.predictions, self.truth, self.scores)

    def part(self, *places: int) -> Matches:
        """The matches of some images, with scores normalised over all of them."""
        truth = self.truth.restrict([self.truth.image_ids[place] for place in places])
        return match_images(self.predictions, truth, self.scores)


def small_set(seed: int, images: int = 8, shift: float = 0.25) -> SmallSet:
    """Faces that count nowhere or in one to three levels, boxes about and beside them, equal scores, empty images."""
    rng = np.random.default_rng(seed)
    boxes, flags, found, scores = [], [], [], []
    for image in range(images):
        faces = 0 if image == 1 else int(rng.integers(1, 6))
        corner = rng.uniform(0, 90, (faces, 2))
        boxes.append(np.concatenate([corner, corner + rng.uniform(8, 40, (faces, 2))], axis=1))
        level = rng.integers(0, 4, faces)
        flags.append([level >= 3, level >= 2, level >= 1])
        around = np.repeat(boxes[-1], 3, axis=0)
        around = around + rng.normal(0, shift, around.shape) * 20
        beside = rng.uniform(0, 100, (4, 2))
        rows = np.concatenate([around, np.concatenate([beside, beside + 20], axis=1)])
        rows = rows[:0] if image == 2 else rows
        found.append(rng.permutation(rows))
        scores.append(rng.integers(1, 60, len(rows)) / 64)
    names = tuple(f"{image % 3}--event/{image}" for image in range(images))
    counts = {name: tuple(each[place] for each in flags) for place, name in enumerate(LEVELS)}
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in found])]).astype(np.int64)
    rows = PredictionSet(names, offsets, np.concatenate(found), np.concatenate(scores))
    return SmallSet(WiderGroundTruth(names, tuple(boxes), counts), rows)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if w <= 0 or h <= 0:
        return 0.0
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (a, b)]
    return w * h / (sum(areas) - w * h)


@dataclass
class SlowRow:
    """One detection: its normalised score, its closest face (None for none) and the overlap with it."""

    image: int
    score: float
    face: int | None
    overlap: float
    overlaps: list[float]


def slow_rows(data: SmallSet) -> Iterator[SlowRow]:
    """Image by image, best first."""
    low, high = data.scores.low, data.scores.high
    for image, image_id in enumerate(data.truth.image_ids):
        boxes, scores = dict(data.predictions.by_image())[image_id]
        for row in sorted(range(len(scores)), key=lambda each: -scores[each]):
            overlaps = [iou(boxes[row], face) for face in data.truth.boxes[image]]
            best = max(overlaps, default=0.0)
            face = overlaps.index(best) if best > 0 else None
            yield SlowRow(image, (scores[row] - low) / (high - low), face, best, overlaps)


def slow_states(data: SmallSet, level: str) -> list[tuple[SlowRow, str]]:
    """Each detection as "match", "duplicate", "ignored" or "none", or "skipped" in an image without faces."""
    hit: set[tuple[int, int]] = set()
    states = []
    for row in slow_rows(data):
        counted = data.truth.counts[level][row.image]
        if not len(counted):
            states.append((row, "skipped"))
        elif row.face is None or row.overlap < 0.5:
            states.append((row, "none"))
        elif not counted[row.face]:
            states.append((row, "ignored"))
        else:
            states.append((row, "duplicate" if (row.image, row.face) in hit else "match"))
            hit.add((row.image, row.face))
    return states


def slow_ap(rows: Sequence[tuple[float, str]], faces: int) -> float:
    """AP of (normalised score, state) where "match" is a match and a proposal, "ignored" and "skipped" neither."""
    if not faces:
        return float("nan")
    points = []
    for t in range(1, 1001):
        passed = [state for score, state in rows if score >= 1 - t / 1000 and state not in ("ignored", "skipped")]
        matches = passed.count("match")
        points.append((matches / len(passed) if passed else 0.0, matches / faces))
    total, before = 0.0, 0.0
    for place, (_, recall) in enumerate(points):
        if recall > before:
            total += (recall - before) * max(precision for precision, _ in points[place:])
        before = recall
    return total
