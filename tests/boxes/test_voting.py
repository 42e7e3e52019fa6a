from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.boxes import voting
from pipeline.boxes.suppression import nms
from pipeline.boxes.voting import Voted, group, vote
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.wider_result import evaluate
from tests.published_sets import published, truth_of

Float = NDArray[np.float64]
PAIRS = (
    ("retinaface_mobilenet025", "yolov7_face"),
    ("yolov7_face", "rfb_1mb_320"),
    ("retinaface_ajmalrasi", "yolov7_face"),
)


def slow_vote(boxes: Float, scores: Float, iou: float, one: float, singles: str) -> list[list[float]]:
    """The definition, group by group: x1, y1, x2, y2, score of each."""
    rest, corners, certainties = np.argsort(-scores, kind="stable").tolist(), boxes.tolist(), scores.tolist()
    voted = []
    while rest:
        members = [row for row in rest if row == rest[0] or overlap(corners[rest[0]], corners[row], one) >= iou]
        weights = [certainties[row] for row in members]
        mean = [
            sum(w * corners[row][k] for w, row in zip(weights, members, strict=True)) / sum(weights) for k in range(4)
        ]
        rest = [row for row in rest if row not in members]
        if singles == "keep" or len(members) > 1 or not rest:
            voted.append([*mean, max(weights)])
    return voted


def overlap(a: list[float], b: list[float], one: float) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + one)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + one)
    of_a, of_b = ((c[2] - c[0] + one) * (c[3] - c[1] + one) for c in (a, b))
    union = of_a + of_b - width * height
    return width * height / union if union > 0 else 0.0


def random_boxes(seed: int, boxes: int = 400, faces: int = 60, rounded: bool = False) -> tuple[Float, Float]:
    """Boxes of all sizes about some faces, with tied scores."""
    rng = np.random.default_rng(seed)
    side, centre, of = np.exp(rng.uniform(1, 6, faces)), rng.uniform(0, 500, (faces, 2)), rng.integers(0, faces, boxes)
    middle = centre[of] + rng.normal(0, 0.2, (boxes, 2)) * side[of, None]
    half = side[of, None] * np.exp(rng.normal(0, 0.3, (boxes, 2))) / 2
    corners = np.concatenate([middle - half, middle + half], 1)
    return corners.round() if rounded else corners, rng.integers(1, 200, boxes) / 200


@pytest.mark.parametrize("iou", [0.02, 0.25, 0.4, 0.6, 0.97, 1.0])
@pytest.mark.parametrize("pixel_inclusive", [True, False])
@pytest.mark.parametrize("singles", ["keep", "drop"])
def test_equals_the_slow_definition(iou: float, pixel_inclusive: bool, singles: Any) -> None:
    for seed, rounded, count in ((0, True, 200), (1, False, 200), (2, True, 50)):  # the last without an index
        boxes, scores = random_boxes(seed, count, 30, rounded)
        found = vote(boxes, scores, iou=iou, pixel_inclusive=pixel_inclusive, singles=singles)
        expected = np.array(slow_vote(boxes, scores, iou, float(pixel_inclusive), singles))
        np.testing.assert_allclose(found.boxes, expected[:, :4], atol=1e-9)
        np.testing.assert_array_equal(found.scores, expected[:, 4])


def test_groups_are_those_of_suppression_over_many_blocks() -> None:
    boxes, scores = random_boxes(3, 3000, 900)
    order = np.argsort(-scores, kind="stable")
    leaders, of = group(boxes[order], 0.4)
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4, iou_inclusive=True)
    assert order[leaders].tolist() == kept.tolist()
    assert len(leaders) > 700
    assert (leaders[of] <= np.arange(3000)).all()
    one = boxes[order]
    shared = [overlap(one[leaders[g]], one[row], 1.0) for row, g in enumerate(of) if leaders[g] != row]
    assert min(shared) >= 0.4


@pytest.mark.parametrize("iou", [0.15, 0.25, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("large_leads", [True, False])
@pytest.mark.parametrize("end", ["first", "last", "both"])
def test_partners_as_far_apart_as_the_threshold_allows_are_found(
    iou: float, axis: int, large_leads: bool, end: str
) -> None:
    """A box and its share `iou` at one end of it, or two alike that share so much: nothing that joins is farther.

    Pairs of all sizes at all places, each pair far from the others; a search that looks a little less far misses some.
    """
    rng = np.random.default_rng(8)
    side, other, place = np.exp(rng.uniform(1, 6, 400)), np.exp(rng.uniform(1, 6, 400)), rng.uniform(0, 700, 400)
    share = iou * (1 + 1e-6)
    # From and to along the axis, of the larger (or earlier) box and of its partner.
    partner = {
        "first": (np.zeros(400), share * side),
        "last": ((1 - share) * side, side),
        "both": ((1 - share) / (1 + share) * side, (1 + (1 - share) / (1 + share)) * side),
    }[end]
    boxes = np.zeros((2, 400, 4))
    boxes[:, :, 2 + (1 - axis)] = other
    boxes[0, :, 2 + axis] = side
    boxes[1, :, axis], boxes[1, :, 2 + axis] = partner
    boxes[:, :, axis::2] += place[:, None]
    boxes[:, :, (1 - axis) :: 2] += (np.arange(400) * 1000.0)[:, None]
    scores = np.concatenate([np.full(400, 0.9), np.full(400, 0.8)][:: 1 if large_leads else -1])
    leaders, of = group(boxes.reshape(-1, 4)[np.argsort(-scores, kind="stable")], iou, pixel_inclusive=False)
    assert len(leaders) == 400
    assert (of[:400] == of[400:]).all()


def test_an_overlap_equal_to_the_threshold_joins() -> None:
    boxes = np.array([[0.0, 0, 6, 0], [3, 0, 9, 0]])  # inclusive pixels: four shared of ten
    scores = np.array([0.75, 0.25])
    assert vote(boxes, scores, iou=0.4).boxes.tolist() == [[0.75, 0, 6.75, 0]]
    assert len(vote(boxes, scores, iou=0.401).boxes) == 2


def test_rounding_cap_and_extras() -> None:
    boxes = np.array([[0.4, 0, 9.6, 10], [0.6, 0, 10.4, 10], [50, 50, 60.5, 61.5]])
    scores, marks = np.array([0.5, 0.5, 0.25]), np.array([[1.0, 2], [3, 6], [7.3, 8.7]])
    found = vote(boxes, scores, rounded=True, extras_NE=marks)
    # Halves go to the even neighbour.
    assert found.boxes.tolist() == [[0.5, 0, 10, 10], [50, 50, 60, 62]]
    assert found.extras.tolist() == [[2, 4], [7.3, 8.7]]
    assert len(vote(boxes, scores, cap=1).scores) == 1
    assert len(vote(boxes, scores, cap=0).scores) == 0


def test_a_dropped_group_of_one_stays_where_it_is_the_last() -> None:
    boxes = np.array([[0.0, 0, 9, 9], [100, 0, 109, 9], [200, 0, 209, 9]])
    scores = np.array([0.9, 0.8, 0.7])
    assert vote(boxes, scores, singles="drop").scores.tolist() == [0.7]
    twice = np.concatenate([boxes, boxes[2:]]), np.append(scores, 0.1)
    assert vote(*twice, singles="drop").scores.tolist() == [0.7]
    assert len(vote(np.zeros((0, 4)), np.zeros(0), singles="drop").scores) == 0


def test_boxes_without_area_and_scores_of_zero() -> None:
    flat = np.array([[5.0, 5, 5, 5], [5, 5, 5, 5], [5, 5, 5, 5]])
    assert len(vote(flat, np.array([0.3, 0.2, 0.1]), pixel_inclusive=False).boxes) == 3  # no overlap without area
    found = vote(flat + np.array([[0.0], [0], [0.15]]), np.zeros(3))
    np.testing.assert_allclose(found.boxes, [[5.05] * 4])
    assert found.scores.tolist() == [0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_properties(seed: int, number: int) -> None:
    boxes, scores = random_boxes(seed, number, 6)
    scores = (np.random.default_rng(seed).permutation(number) + 1) / number  # all different
    one = vote(boxes[:1], scores[:1])
    assert one.boxes.tolist() == boxes[:1].tolist()
    same = vote(np.repeat(boxes[:1], number, 0), scores)
    np.testing.assert_allclose(same.boxes, boxes[:1], rtol=1e-12)
    assert same.scores.tolist() == [scores.max()]
    found, order = vote(boxes, scores), np.random.default_rng(seed + 1).permutation(number)
    shuffled = vote(boxes[order], scores[order])
    np.testing.assert_allclose(shuffled.boxes, found.boxes, atol=1e-9)
    np.testing.assert_array_equal(shuffled.scores, found.scores)
    assert (np.diff(found.scores) < 0).all()
    moved = vote(boxes * 4 + 1000, scores, pixel_inclusive=False)
    np.testing.assert_allclose(moved.boxes, vote(boxes, scores, pixel_inclusive=False).boxes * 4 + 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores_N": np.array([0.1, -0.1])}, "must not be negative"),
        ({"scores_N": np.array([0.1, np.nan])}, "must not be negative or NaN"),
        ({"scores_N": np.ones(3)}, r"shapes \(2, 4\), \(3,\)"),
        ({"extras_NE": np.ones((3, 1))}, r"\(3, 1\), expected"),
        ({"iou": 0.0}, "above 0 and at most 1, got 0"),
        ({"cap": -1}, "cannot return -1"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        vote(**{"boxes_N4": np.ones((2, 4)), "scores_N": np.ones(2), **change})


@pytest.mark.wider
def test_mogface_vectors_to_the_bit(shared: Path) -> None:
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    for case in range(3):
        given_N5, expected = vectors[f"vote{case}_in"], vectors[f"vote{case}_out"]
        iou = float(vectors[f"vote{case}_thresh"])
        found = vote(given_N5[:, :4], given_N5[:, 4], iou=iou, pixel_inclusive=False, rounded=True, cap=750)
        np.testing.assert_array_equal(found.boxes, expected[:, :4])
        np.testing.assert_array_equal(found.scores, expected[:, 4])
        assert (
            len(vote(given_N5[:, :4], given_N5[:, 4], iou=iou, rounded=True, cap=750).boxes) != len(expected)
            or case == 1
        )


@pytest.fixture(scope="module")
def truth(shared: Path) -> WiderGroundTruth:
    return truth_of(shared)


def pooled(shared: Path, truth: WiderGroundTruth, pair: tuple[str, str]) -> list[tuple[Float, Float]]:
    sets = [published(shared, name).predictions.select(truth.image_ids) for name in pair]
    images = []
    for image in range(len(truth.image_ids)):
        spans = [slice(each.offsets[image], each.offsets[image + 1]) for each in sets]
        boxes = np.concatenate([each.boxes[span] for each, span in zip(sets, spans, strict=True)])
        scores = np.concatenate([each.scores[span] for each, span in zip(sets, spans, strict=True)])
        images.append((boxes, scores))
    return images


def suppressed(boxes: Float, scores: Float) -> tuple[Float, Float]:
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4).numpy()
    return boxes[kept], scores[kept]


def of(voted: Voted) -> tuple[Float, Float]:
    return voted.boxes, voted.scores


# Each of the boxes of an image, but the one that suppresses what was voted.
VARIANTS = {
    "concat_no_nms": lambda boxes, scores: (boxes, scores),
    "nms0.4": suppressed,
    "vote0.4_keep": lambda boxes, scores: of(vote(boxes, scores)),
    "vote0.4_keep_then_nms0.4": suppressed,
    "vote0.4_keep_cap750": lambda boxes, scores: of(vote(boxes, scores, cap=750)),
    "vote0.4_drop": lambda boxes, scores: of(vote(boxes, scores, singles="drop")),
}


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Grouping is most of a vote, and the same in all variants: each of different arguments is computed once."""
    known: dict[tuple[object, ...], Any] = {}

    def answer(boxes: Float, *others: object, **options: object) -> Any:
        key = (boxes.shape, boxes.tobytes(), others, *options.items())
        if key not in known:
            known[key] = function(boxes, *others, **options)
        return known[key]

    return answer


@pytest.mark.wider
@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_fusion_of_published_sets(
    shared: Path, truth: WiderGroundTruth, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voting, "group", once(group))
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())["fusion"]["+".join(pair)]
    images = pooled(shared, truth, pair)
    assert sum(len(scores) for _, scores in images) == expected["boxes_in"]
    # One pair in every variant, the others in that of the papers: each takes two seconds.
    names = VARIANTS if pair == PAIRS[0] else ("vote0.4_keep",)
    parts: list[tuple[Float, Float]] = []
    for name in names:
        parts = [VARIANTS[name](*image) for image in (parts if "_then_" in name else images)]
        offsets = np.cumsum([0, *(len(scores) for _, scores in parts)]).astype(np.int64)
        fused = PredictionSet(
            truth.image_ids,
            offsets,
            np.concatenate([boxes for boxes, _ in parts]),
            np.concatenate([scores for _, scores in parts]),
        )
        assert len(fused.scores) == expected.get(f"{name}_kept", expected["boxes_in"]), name
        assert evaluate(truth, fused).ap == pytest.approx(expected[name], abs=1e-9), name


BOXES = np.array([[0.0, 0, 9, 9], [0, 0, 9, 11], [50, 0, 59, 9]])


def test_what_is_not_there_is_not_averaged() -> None:
    found = vote(BOXES, np.array([0.5, 0.5, 0.5]))
    assert found.extras.shape == (2, 0)
    assert found.boxes.shape == (2, 4)
    empty = vote(BOXES[:0], np.zeros(0), extras_NE=np.zeros((0, 10)))
    assert (empty.boxes.shape, empty.scores.shape, empty.extras.shape) == ((0, 4), (0,), (0, 10))


def test_the_better_leads_however_little_better_it_is() -> None:
    # In float32 both scores are 0.5 and the first would lead; the group's score shows which did.
    scores = np.array([0.5, 0.5 + 1e-12, 0.1])
    assert vote(BOXES, scores).scores.tolist() == [0.5 + 1e-12, 0.1]
    assert vote(BOXES[[0, 2]], scores[:2]).boxes.tolist() == [[50, 0, 59, 9], [0, 0, 9, 9]]
