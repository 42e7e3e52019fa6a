from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.evaluate_files import EvaluationInputs
from pipeline.evaluation.run_comparison import ComparedRun, compare_runs, image_changes
from pipeline.evaluation.wider_ap import average_precision, count_images, match_images
from tests.evaluation.small_sets import LEVELS, SmallSet, small_set


def shuffled(data: SmallSet, seed: int) -> PredictionSet:
    """The same boxes with other scores."""
    scores = np.random.default_rng(seed).permutation(data.predictions.scores)
    return replace(data.predictions, scores=scores)


def run(name: str, data: SmallSet, predictions: PredictionSet, **config: object) -> ComparedRun:
    return ComparedRun(name, EvaluationInputs(data.truth, predictions), config)


def mixed(one: PredictionSet, other: PredictionSet, place: int) -> PredictionSet:
    """One set, with the detections of another in a single image."""
    tables = [rows for _, rows in one.by_image()]
    tables[place] = list(other.by_image())[place][1]
    offsets = np.concatenate([[0], np.cumsum([len(scores) for _, scores in tables])]).astype(np.int64)
    boxes, scores = (np.concatenate([each[part] for each in tables]) for part in (0, 1))
    return PredictionSet(one.image_ids, offsets, boxes, scores)


@pytest.mark.parametrize("seed", range(3))
def test_the_change_of_an_image_is_that_of_ap_when_it_alone_is_swapped(seed: int) -> None:
    data = small_set(seed)
    other = shuffled(data, seed)

    def ap(rows: PredictionSet) -> float:
        return average_precision(count_images(rows, data.truth, data.scores)["hard"])

    found = image_changes(data.matches, match_images(other, data.truth, data.scores), "hard")
    for place in range(len(data.truth.image_ids)):
        into_first = ap(mixed(data.predictions, other, place)) - ap(data.predictions)
        into_second = ap(mixed(other, data.predictions, place)) - ap(other)
        assert found[place] == pytest.approx((into_first - into_second) / 2, abs=1e-12)
    assert found[1] == 0  # an image without faces is not counted
    assert found[2] == 0  # one without detections in both


def test_images_are_computed_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_set(4)
    other = match_images(shuffled(data, 4), data.truth, data.scores)
    whole = image_changes(data.matches, other, "hard")
    monkeypatch.setattr("pipeline.evaluation.run_comparison._AT_ONCE", 3)
    assert image_changes(data.matches, other, "hard").tolist() == whole.tolist()


def test_a_comparison_has_ap_tests_config_and_images() -> None:
    data = small_set(5)
    other = shuffled(data, 5)
    found = compare_runs(
        run("one", data, data.predictions, size=1, kept={"a": 2}),
        run("two", data, other, size=3, kept={"a": 2}),
        100,
        3,
        2,
    )
    assert found.config == [("size", 1, 3)]
    assert (found.names, found.images, found.left_out) == (("one", "two"), 8, 0)
    for level in LEVELS:
        values = [
            average_precision(count_images(rows, data.truth, data.scores)[level]) for rows in (data.predictions, other)
        ]
        assert [each.value for each in found.ap[level]] == values
        assert found.tests[level].difference.value == pytest.approx(values[1] - values[0])
    changes = image_changes(data.matches, match_images(other, data.truth, data.scores), "hard")
    gained, lost = found.gained, found.lost
    assert [each.change for each in gained] == sorted(changes[changes > 0], reverse=True)[:2]
    assert [each.change for each in lost] == sorted(changes[changes < 0])[:2]
    for each in (*gained, *lost):
        place = data.truth.image_ids.index(each.image_id)
        counts = count_images(data.predictions, data.truth.restrict([each.image_id]), data.scores)["hard"]
        assert each.faces == counts.faces == int(data.truth.counts["hard"][place].sum())
        assert each.found == (counts.matches[-1],) * 2  # the same boxes
        assert each.false == (counts.proposals[-1] - counts.matches[-1],) * 2


def test_the_order_of_the_images_does_not_matter_and_strangers_are_left_out() -> None:
    data = small_set(6)
    backwards = data.truth.image_ids[::-1]
    places = [data.truth.image_ids.index(name) for name in backwards]
    turned = type(data.truth)(
        backwards,
        tuple(data.truth.boxes[place] for place in places),
        {level: tuple(flags[place] for place in places) for level, flags in data.truth.counts.items()},
    )
    same = ComparedRun("b", EvaluationInputs(turned, data.predictions.select(backwards)))
    found = compare_runs(run("a", data, data.predictions), same, 50)
    assert all(each.difference.value == 0 and each.p_value == 1 for each in found.tests.values())
    assert not found.gained and not found.lost
    part = ComparedRun("b", EvaluationInputs(data.truth.restrict(data.truth.image_ids[:6]), data.predictions))
    found = compare_runs(run("a", data, data.predictions), part, 50)
    assert (found.images, found.left_out) == (6, 2)
    assert all(each.difference.value == 0 for each in found.tests.values())


def test_other_faces_or_images_are_refused() -> None:
    data, other = small_set(0), small_set(1)
    with pytest.raises(ValueError, match="0--event/0 has other faces in a than in b"):
        compare_runs(run("a", data, data.predictions), run("b", other, other.predictions), 10)
    named = type(data.truth)(tuple(f"x/{n}" for n in range(8)), data.truth.boxes, data.truth.counts)
    with pytest.raises(ValueError, match="a and b have no image in common"):
        compare_runs(run("a", data, data.predictions), ComparedRun("b", EvaluationInputs(named, data.predictions)), 10)
