"""Suppression and box voting of the 5,000 candidates of one image, voting against the plain loop over groups."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.benchmarks.alternate import seconds_in_turn
from jobs.benchmarks.images import REAL_WEIGHTS, evenly, real_images
from jobs.benchmarks.results import Measured, Section, less_is_better
from pipeline.boxes.suppression import nms
from pipeline.boxes.voting import vote

IOU = 0.4
TOP = 5000
Boxes = NDArray[np.float32]


def suppression_section(shared: Path | None, rounds: int) -> Section:
    """Returns milliseconds on one thread, medians of rounds in turn on each image; without `shared`, of random boxes.

    Raises:
        RuntimeError: vectorised voting and the loop disagree.
    """
    given, origin = _candidates(shared)
    times = [_times(boxes, scores, rounds) for boxes, scores in given]
    suppressed, voted, looped = (median(each[kind] for each in times) for kind in range(3))
    rows = [
        Measured(f"NMS of {TOP:,} boxes, ms", suppressed),
        less_is_better(f"box voting of {TOP:,} boxes, ms (peer: the plain loop)", voted, looped),
    ]
    groups = sorted(len(vote(boxes, scores, iou=IOU).scores) for boxes, scores in given)
    notes = [
        f"{origin}; {groups[0]:,} to {groups[-1]:,} groups, IoU {IOU} with +1, one thread, medians of {rounds} rounds",
        "the plain loop compares the best box with all that are left at once, in numpy, group by group",
    ]
    return Section("suppression", rows, notes)


def plain_vote(boxes_N4: Boxes, scores_N: Boxes, iou: float) -> NDArray[np.float64]:
    """Returns float64 [G, 5], x1, y1, x2, y2, score of each group: box voting as one would write it down."""
    rest = np.concatenate([boxes_N4, scores_N[:, None]], axis=1).astype(np.float64)
    rest = rest[np.argsort(-rest[:, 4], kind="stable")]
    voted = []
    while len(rest):
        best = rest[0]
        width = np.maximum(np.minimum(best[2], rest[:, 2]) - np.maximum(best[0], rest[:, 0]) + 1, 0)
        height = np.maximum(np.minimum(best[3], rest[:, 3]) - np.maximum(best[1], rest[:, 1]) + 1, 0)
        areas = (rest[:, 2] - rest[:, 0] + 1) * (rest[:, 3] - rest[:, 1] + 1)
        agrees = width * height / (areas[0] + areas - width * height) >= iou
        members = rest[agrees]
        mean = (members[:, :4] * members[:, 4:]).sum(axis=0) / members[:, 4].sum()
        voted.append([*mean, best[4]])
        rest = rest[~agrees]
    return np.array(voted).reshape(-1, 5)


def _times(boxes: Boxes, scores: Boxes, rounds: int) -> list[float]:
    """Returns the milliseconds of suppression, voting and the loop."""
    tensors = torch.from_numpy(boxes), torch.from_numpy(scores)
    found, expected = vote(boxes, scores, iou=IOU), plain_vote(boxes, scores, IOU)
    if len(found.boxes) != len(expected) or np.abs(found.boxes - expected[:, :4]).max(initial=0) > 1e-6:
        raise RuntimeError("vectorised box voting does not give what the plain loop gives")
    seconds = seconds_in_turn(
        rounds,
        lambda: nms(*tensors, IOU),
        lambda: vote(boxes, scores, iou=IOU),
        lambda: plain_vote(boxes, scores, IOU),
    )
    return [1000 * each for each in seconds]


def _candidates(shared: Path | None) -> tuple[list[tuple[Boxes, Boxes]], str]:
    """Returns boxes and scores of eight images, and what they are."""
    files = real_images(shared)
    if not shared or not files or not (shared / REAL_WEIGHTS).is_file():
        return [_sampled(seed) for seed in range(8)], "random boxes about 3,000 faces"
    from pipeline.data.canvas import ORIGINAL
    from pipeline.data.images import decode
    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    predictor = Predictor(open_detector(shared / REAL_WEIGHTS)[1], max_candidates=TOP)
    found = [predictor.candidates(decode(file.read_bytes()), ORIGINAL) for file in evenly(files, 8)]
    return [(each.boxes, each.scores) for each in found], "candidates of RetinaFace in 8 real images"


def _sampled(seed: int, faces: int = 3000) -> tuple[Boxes, Boxes]:
    rng = np.random.default_rng(seed)
    side = np.exp(rng.uniform(np.log(8), np.log(200), faces))
    centre, of = rng.uniform(0, (1024, 768), (faces, 2)), rng.integers(0, faces, TOP)
    middle = centre[of] + rng.normal(0, 0.15, (TOP, 2)) * side[of, None]
    half = side[of, None] * np.exp(rng.normal(0, 0.15, (TOP, 2))) / 2
    scores = np.sort(rng.random(TOP).astype(np.float32))[::-1].copy()
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32), scores
