from __future__ import annotations

import json
from functools import reduce
from operator import add

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.evaluation.breakdown import HEIGHTS, VALUES, Breakdown, break_down, height_names
from pipeline.evaluation.wider_ap import average_precision, count_images
from tests.evaluation.small_sets import SmallSet, slow_ap, slow_states, small_set


def attributes(data: SmallSet) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {name: rng.integers(0, len(values) + 1, sum(map(len, data.truth.boxes))) for name, values in VALUES.items()}


def only(data: SmallSet, chosen_F: np.ndarray) -> SmallSet:
    """The same set, in which only some faces of hard count."""
    ends = np.cumsum([len(faces) for faces in data.truth.boxes])[:-1]
    flags = tuple(own & some for own, some in zip(data.truth.counts["hard"], np.split(chosen_F, ends), strict=True))
    return SmallSet(WiderGroundTruth(data.truth.image_ids, data.truth.boxes, {"hard": flags}), data.predictions)


@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_an_evaluation_in_which_its_faces_alone_count(seed: int) -> None:
    data = small_set(seed)
    values = attributes(data)
    found = break_down(data.matches, data.truth.image_ids, values)
    heights = np.concatenate([faces[:, 3] - faces[:, 1] for faces in data.truth.boxes])
    tops = (*HEIGHTS[1:], np.inf)
    groups = {
        ("height", name): (low <= heights) & (heights < top)
        for name, low, top in zip(height_names(), HEIGHTS, tops, strict=True)
    }
    groups |= {(part, name): values[part] == place for part in VALUES for place, name in enumerate(VALUES[part])}
    assert {(part, name) for part, each in found.parts.items() if part != "event" for name in each} == groups.keys()
    for (part, name), chosen_F in groups.items():
        group = only(data, chosen_F)
        counts = found.parts[part][name]
        assert counts == count_images(group.predictions, group.truth, data.scores)["hard"]
        if counts.faces:
            states = [(row.score, state) for row, state in slow_states(group, "hard")]
            assert average_precision(counts) == pytest.approx(slow_ap(states, counts.faces), abs=1e-12)


@pytest.mark.parametrize("subset", ["easy", "hard"])
def test_an_event_is_a_part_of_the_images(subset: str) -> None:
    data = small_set(1)
    found = break_down(data.matches, data.truth.image_ids, {}, subset)
    assert list(found.parts) == ["height", "event"]
    assert list(found.parts["event"]) == ["0--event", "1--event", "2--event"]
    for event, counts in found.parts["event"].items():
        part = data.truth.restrict([name for name in data.truth.image_ids if name.startswith(event)])
        assert counts == count_images(data.predictions, part, data.scores)[subset]


def test_any_split_of_the_images_gives_the_same_counts() -> None:
    data = small_set(2)
    values = attributes(data)
    names = data.truth.image_ids
    first = np.cumsum([0, *map(len, data.truth.boxes)])
    whole = break_down(data.matches, names, values)
    parts = []
    for place, name in enumerate(names):
        own = {each: flags[first[place] : first[place + 1]] for each, flags in values.items()}
        parts.append(break_down(data.part(place), [name], own))
    assert reduce(add, parts) == whole
    assert reduce(add, parts, Breakdown({})) == whole


def test_the_bins_reach_beyond_4000_px() -> None:
    assert height_names()[0] == "0 to 10 px"
    assert height_names()[-1] == "4000 px and more"
    data = small_set(0, images=1)
    faces = np.array([[0.0, 0.0, 9.0, 3999.0], [20.0, 0.0, 29.0, 4000.0], [50.0, 0.0, 59.0, -2.0]])
    truth = WiderGroundTruth(data.truth.image_ids, (faces,), {"hard": (np.ones(3, bool),)})
    found = break_down(SmallSet(truth, data.predictions).matches, truth.image_ids, {})
    assert {name: each.faces for name, each in found.parts["height"].items() if each.faces} == {
        "0 to 10 px": 1,
        "2000 to 4000 px": 1,
        "4000 px and more": 1,
    }


def test_wrong_lengths_are_refused_and_no_ap_is_null() -> None:
    data = small_set(0)
    with pytest.raises(ValueError, match="7 names for 8 images"):
        break_down(data.matches, data.truth.image_ids[1:], {})
    with pytest.raises(ValueError, match="blur has 2 values for"):
        break_down(data.matches, data.truth.image_ids, {"blur": np.zeros(2, int)})
    plain = json.loads(json.dumps(break_down(data.matches, data.truth.image_ids, {}).to_json()))
    assert plain["height"]["4000 px and more"] == {"ap": None, "faces": 0, "found": 0}
