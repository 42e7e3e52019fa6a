from __future__ import annotations

import json
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.ground_truth import load_ground_truth
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.evaluation.closest_faces import closest_faces
from pipeline.evaluation.oracle_gap import count_oracle, oracle_range
from pipeline.evaluation.wider_ap import ApCounts, average_precision, match_images, score_range
from tests.evaluation.small_sets import LEVELS, SmallSet, slow_ap, slow_rows, small_set


def slow_oracle(data: SmallSet, level: str) -> float:
    rows = list(slow_rows(data))
    low, high = min(row.overlap for row in rows), max(row.overlap for row in rows)
    hit: set[tuple[int, int]] = set()
    states = []
    for row in sorted(rows, key=lambda each: (each.image, -each.overlap)):
        counted = data.truth.counts[level][row.image]
        if not len(counted):
            state = "skipped"
        elif row.face is None or row.overlap < 0.5:
            state = "none"
        elif not counted[row.face]:
            state = "ignored"
        else:
            state = "duplicate" if (row.image, row.face) in hit else "match"
            hit.add((row.image, row.face))
        states.append(((row.overlap - low) / (high - low), state))
    return slow_ap(states, sum(int(flags.sum()) for flags in data.truth.counts[level]))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_ap_of_scores_replaced_by_overlaps(seed: int) -> None:
    data = small_set(seed)
    closest = closest_faces(data.matches)
    counts = count_oracle(data.matches, closest, oracle_range(data.matches, closest))
    for level in LEVELS:
        assert average_precision(counts[level]) == pytest.approx(slow_oracle(data, level), abs=1e-12)
        assert average_precision(counts[level]) >= average_precision(data.matches.ap_counts(data.matches.counts[level]))


@pytest.mark.parametrize("seed", range(3))
def test_any_split_of_the_images_gives_the_same_counts(seed: int) -> None:
    data = small_set(seed)
    parts = [data.part(place) for place in range(len(data.truth.image_ids))]
    closest = [closest_faces(part) for part in parts]
    scores = reduce(or_, (oracle_range(*each) for each in zip(parts, closest, strict=True)))
    whole = closest_faces(data.matches)
    assert scores == oracle_range(data.matches, whole)
    counts = count_oracle(data.matches, whole, scores)
    each = [count_oracle(part, near, scores) for part, near in zip(parts, closest, strict=True)]
    for level in LEVELS:
        assert sum((part[level] for part in each), ApCounts.zero()) == counts[level]


def test_a_set_without_a_box_off_every_face_is_normalised_with_its_least_overlap() -> None:
    data = small_set(0, images=1, shift=0.1)
    matches = data.matches
    near = closest_faces(matches)
    keep = near.iou_N > 0.3
    rows = data.predictions.falling()
    kept = type(rows)(rows.image_ids, np.array([0, int(keep.sum())]), rows.boxes[keep], rows.scores[keep])
    small = match_images(kept, data.truth, score_range(kept.scores))
    found = oracle_range(small, closest_faces(small))
    assert (found.low, found.high) == (near.iou_N[keep].min(), near.iou_N[keep].max())
    assert found.low > 0.3


@pytest.mark.wider
@pytest.mark.parametrize("name", ["retinaface_mobilenet025", "yolov7_face", "rfb_1mb_320"])
def test_published_sets_have_the_expected_oracle(shared: Path, name: str) -> None:
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())["oracle_on_published_sets"]
    truth = load_ground_truth(shared / "data/wider_val_gt")
    rows = read_wider_text(shared / f"data/predictions/{name}.tar.gz", truth.image_ids).predictions
    matches = match_images(rows, truth, score_range(rows.scores))
    closest = closest_faces(matches)
    counts = count_oracle(matches, closest, oracle_range(matches, closest))
    assert {level: average_precision(counts[level]) for level in LEVELS} == pytest.approx(
        expected[name]["oracle"], abs=1e-9
    )
