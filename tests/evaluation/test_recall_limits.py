from __future__ import annotations

import json
from functools import reduce
from operator import add

import numpy as np
import pytest

from pipeline.evaluation.closest_faces import closest_faces
from pipeline.evaluation.recall_limits import IOUS, LIMITS, RecallCounts, count_recall
from tests.evaluation.small_sets import LEVELS, slow_rows, small_set


@pytest.mark.parametrize("seed", range(4))
def test_every_count_against_one_face_at_a_time(seed: int) -> None:
    data = small_set(seed)
    counts = count_recall(data.matches, closest_faces(data.matches))
    rows = list(slow_rows(data))
    for level in LEVELS:
        found = np.zeros((len(LIMITS), len(IOUS)), int)
        faces = missed = without = 0
        for image, flags in enumerate(data.truth.counts[level]):
            own = [row for row in rows if row.image == image]
            for face in np.flatnonzero(flags).tolist():
                faces += 1
                missed += not any(row.face == face and row.overlap >= 0.5 for row in own)
                without += not any(row.overlaps[face] >= 0.5 for row in own)
                for place, limit in enumerate(LIMITS):
                    best = max((row.overlap for row in own[:limit] if row.face == face), default=0.0)
                    found[place] += best >= IOUS
        assert (counts[level].faces, counts[level].missed, counts[level].without_box) == (faces, missed, without)
        assert counts[level].found.tolist() == found.tolist()
        assert counts[level].average_recall["all"] == pytest.approx(found[-1].sum() / 10 / faces)
    assert 0 < counts["hard"].missed < counts["hard"].faces
    # Every face that a match reaches is found at 0.5, and only those.
    assert counts["hard"].found[-1, 0] == counts["hard"].faces - counts["hard"].missed


def test_a_box_that_prefers_another_face_misses_this_one_but_covers_it() -> None:
    data = small_set(0)
    faces = (np.array([[0.0, 0, 19, 19], [2.0, 0, 21, 19]]),)
    truth = type(data.truth)(("e/a",), faces, {level: (np.ones(2, bool),) for level in LEVELS})
    rows = type(data.predictions)(("e/a",), np.array([0, 1]), faces[0][:1], np.ones(1))
    matches = type(data)(truth, rows).matches
    counts = count_recall(matches, closest_faces(matches))["hard"]
    assert (counts.faces, counts.missed, counts.without_box) == (2, 1, 0)
    assert counts.average_recall == {"1": 0.5, "10": 0.5, "100": 0.5, "1000": 0.5, "all": 0.5}


def test_any_split_of_the_images_gives_the_same_counts() -> None:
    data = small_set(3)
    whole = count_recall(data.matches, closest_faces(data.matches))
    parts = [
        count_recall(part, closest_faces(part)) for part in (data.part(0, 1, 2), data.part(3), data.part(4, 5, 6, 7))
    ]
    for level in LEVELS:
        total = reduce(add, (part[level] for part in parts), RecallCounts.zero())
        assert total.to_json() == whole[level].to_json()


def test_without_faces_there_is_no_average() -> None:
    plain = json.loads(json.dumps(RecallCounts.zero().to_json()))
    assert plain["average_recall"] == dict.fromkeys(("1", "10", "100", "1000", "all"))
