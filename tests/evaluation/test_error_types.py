from __future__ import annotations

import json
from functools import reduce
from operator import add

import numpy as np
import pytest

from pipeline.evaluation.closest_faces import closest_faces
from pipeline.evaluation.error_types import ERRORS, ErrorCounts, count_errors
from tests.evaluation.small_sets import LEVELS, SmallSet, slow_ap, slow_states, small_set

Row = tuple[float, str]


def slow_errors(data: SmallSet, level: str) -> dict[str, tuple[int, float]]:
    """Type -> (how many, AP with it corrected), one detection and one face at a time."""
    states = slow_states(data, level)
    counted = {
        (image, face) for image, flags in enumerate(data.truth.counts[level]) for face in np.flatnonzero(flags).tolist()
    }
    found = {(row.image, row.face) for row, state in states if state == "match"}
    types = []
    for row, state in states:
        if state == "none":
            state = "localisation" if row.overlap >= 0.1 else "background"
        types.append((row, state))
    placed: set[tuple[int, int]] = set()
    localisation: list[Row] = []
    for row, kind in types:
        face = (row.image, row.face)
        if kind != "localisation":
            localisation.append((row.score, kind))
        elif face in counted and face not in found and face not in placed:
            placed.add(face)
            localisation.append((row.score, "match"))
    touched = {(row.image, row.face) for row, kind in types if kind == "localisation"}
    missed = len(counted - found - touched)
    plain = [(row.score, kind) for row, kind in types]

    def without(kind: str) -> list[Row]:
        return [row for row in plain if row[1] != kind]

    number = {kind: sum(each == kind for _, each in plain) for kind in ERRORS}
    return {
        "localisation": (number["localisation"], slow_ap(localisation, len(counted))),
        "duplicate": (number["duplicate"], slow_ap(without("duplicate"), len(counted))),
        "background": (number["background"], slow_ap(without("background"), len(counted))),
        "missed": (missed, slow_ap(plain, len(counted) - missed)),
    }


@pytest.mark.parametrize("seed", range(6))
def test_counts_and_costs_against_one_detection_at_a_time(seed: int) -> None:
    data = small_set(seed, shift=0.4)
    found = count_errors(data.matches, closest_faces(data.matches))
    for level in LEVELS:
        expected = slow_errors(data, level)
        states = [(row.score, state) for row, state in slow_states(data, level)]
        ap = slow_ap(states, sum(int(flags.sum()) for flags in data.truth.counts[level]))
        for kind in ERRORS:
            count, corrected = expected[kind]
            assert found[level].errors[kind] == count
            assert found[level].cost[kind] == pytest.approx(corrected - ap, abs=1e-12, nan_ok=True)


def test_every_type_occurs_in_these_sets() -> None:
    sets = [small_set(seed, shift=0.4) for seed in range(6)]
    errors = [count_errors(each.matches, closest_faces(each.matches))["hard"].errors for each in sets]
    assert all(sum(each[kind] for each in errors) > 5 for kind in ERRORS)


def test_no_correction_lowers_ap() -> None:
    for seed in range(6):
        data = small_set(seed, shift=0.4)
        for each in count_errors(data.matches, closest_faces(data.matches)).values():
            assert all(cost >= -1e-12 for cost in each.cost.values() if cost == cost)


def test_any_split_of_the_images_gives_the_same_counts() -> None:
    data = small_set(4, shift=0.4)
    whole = count_errors(data.matches, closest_faces(data.matches))
    parts = [data.part(place) for place in range(len(data.truth.image_ids))]
    counts = [count_errors(part, closest_faces(part)) for part in parts]
    for level in LEVELS:
        assert reduce(add, (each[level] for each in counts), ErrorCounts.zero()) == whole[level]


def test_plain_values() -> None:
    plain = json.loads(json.dumps(ErrorCounts.zero().to_json()))
    assert plain == {kind: {"count": 0, "cost": None} for kind in ERRORS}
