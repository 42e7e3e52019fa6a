from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.bootstrap import (
    Interval,
    _weights,
    average_precisions,
    image_counts,
    interval,
    paired_test,
    resample,
)
from pipeline.evaluation.wider_ap import (
    ApCounts,
    Matches,
    ScoreRange,
    average_precision,
    count_images,
    match_images,
    score_range,
)
from tests.evaluation.small_sets import LEVELS, SmallSet, small_set

FACE = np.array([[0.0, 0.0, 19.0, 19.0]])


def repeated(data: SmallSet, weights: np.ndarray) -> dict[str, ApCounts]:
    """The counts of a set in which every image is there as often as it was drawn."""
    places = np.repeat(np.arange(len(weights)), weights.astype(int)).tolist()
    names = tuple(f"e/{number}" for number in range(len(places)))
    truth = WiderGroundTruth(
        names,
        tuple(data.truth.boxes[place] for place in places),
        {level: tuple(data.truth.counts[level][place] for place in places) for level in LEVELS},
    )
    rows = list(data.predictions.by_image())
    offsets = np.concatenate([[0], np.cumsum([len(rows[place][1][1]) for place in places])]).astype(np.int64)
    boxes = np.concatenate([rows[place][1][0] for place in places])
    scores = np.concatenate([rows[place][1][1] for place in places])
    return count_images(PredictionSet(names, offsets, boxes, scores), truth, data.scores)


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_is_an_evaluation_of_the_drawn_images(seed: int) -> None:
    data = small_set(seed)
    found = resample([image_counts(data.matches)], 150, seed)
    (first, second) = _weights(len(data.truth.image_ids), 150, seed)
    assert (first.shape, second.shape) == ((8, 128), (8, 22))
    drawn = np.concatenate([first, second], axis=1)
    assert (drawn.sum(axis=0) == 8).all()
    for place in range(0, 150, 7):
        counts = repeated(data, drawn[:, place])
        expected = [average_precision(counts[level]) for level in LEVELS]
        assert found[0, :, place] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_curves_at_once_are_the_exact_ap_of_each() -> None:
    counts = [each.ap_counts(each.counts["hard"]) for each in (small_set(seed).matches for seed in range(5))]
    found = average_precisions(
        np.stack([each.proposals for each in counts], axis=1).astype(float),
        np.stack([each.matches for each in counts], axis=1).astype(float),
        np.array([each.faces for each in counts], float),
    )
    assert found == pytest.approx([average_precision(each) for each in counts], abs=1e-14)
    assert np.isnan(average_precisions(np.zeros((1000, 1)), np.zeros((1000, 1)), np.zeros(1)))


def test_equal_images_have_an_interval_without_width() -> None:
    data = small_set(0, images=1)
    weights = np.array([40])
    names = tuple(f"e/{number}" for number in range(40))
    truth = WiderGroundTruth(
        names, data.truth.boxes * 40, {level: flags * 40 for level, flags in data.truth.counts.items()}
    )
    offsets = np.arange(41) * len(data.predictions.scores)
    rows = PredictionSet(names, offsets, np.tile(data.predictions.boxes, (40, 1)), np.tile(data.predictions.scores, 40))
    matches = match_images(rows, truth, data.scores)
    ap = average_precision(repeated(data, weights)["hard"])
    (drawn,) = resample([image_counts(matches)], 200)
    found = interval(ap, drawn[LEVELS.index("hard")])
    assert 0 < ap < 1
    assert found.low == found.high == pytest.approx(ap, abs=1e-14)


def coins(hits: np.ndarray) -> Matches:
    """Images with one face each that is found or not, without a false alarm: AP is the share of faces found."""
    names = tuple(f"e/{number}" for number in range(len(hits)))
    truth = WiderGroundTruth(names, (FACE,) * len(hits), {"hard": (np.ones(1, bool),) * len(hits)})
    offsets = np.concatenate([[0], np.cumsum(hits)]).astype(np.int64)
    rows = PredictionSet(names, offsets, np.repeat(FACE, hits.sum(), axis=0), np.ones(hits.sum()))
    return match_images(rows, truth, ScoreRange(0.0, 1.0))


def test_a_share_of_images_has_the_variance_of_a_binomial() -> None:
    hits = (np.arange(500) % 5 > 0).astype(int)  # 0.8
    (drawn,) = resample([image_counts(coins(hits))], 4000, 7)
    found = interval(0.8, drawn[0])
    spread = np.sqrt(0.8 * 0.2 / 500)
    assert drawn[0].mean() == pytest.approx(0.8, abs=4 * spread / np.sqrt(4000))
    assert drawn[0].std() == pytest.approx(spread, rel=0.05)
    assert (found.low, found.high) == pytest.approx((0.8 - 1.96 * spread, 0.8 + 1.96 * spread), abs=0.003)


def test_the_difference_of_two_runs_has_the_variance_of_paired_images() -> None:
    """The runs agree on most images: apart, their intervals are far wider than that of the difference."""
    one = (np.arange(500) % 5 > 0).astype(int)
    other = one.copy()
    other[:20] = 1  # four images more
    runs = [image_counts(coins(hits)) for hits in (one, other)]
    a, b = resample(runs, 4000, 3)
    test = paired_test((0.8, 0.808), (a[0], b[0]))
    share = 4 / 500
    spread = np.sqrt(share * (1 - share) / 500)
    assert (b[0] - a[0]).std() == pytest.approx(spread, rel=0.06)
    assert test.difference.value == pytest.approx(0.008)
    # No image gets worse: a difference of 0 is the rare case, (1 - 4/500)^500.
    assert test.p_value == pytest.approx(2 * (1 - share) ** 500, abs=0.02)
    assert np.std(a[0]) > 4 * spread


def test_a_run_against_itself_and_an_even_exchange_differ_by_chance() -> None:
    one = (np.arange(400) % 2).astype(int)
    runs = [image_counts(coins(hits)) for hits in (one, 1 - one)]
    a, b = resample(runs, 500)
    assert paired_test((0.5, 0.5), (a[0], a[0])).p_value == 1.0
    assert paired_test((0.5, 0.5), (a[0], b[0])).p_value > 0.5
    everything = np.ones(400, int)
    c, d = resample([runs[0], image_counts(coins(everything))], 500)
    assert paired_test((0.5, 1.0), (c[0], d[0])).p_value == pytest.approx(2 / 501)


def test_the_seed_alone_decides_the_draws() -> None:
    counts = image_counts(small_set(1).matches)
    assert np.array_equal(resample([counts], 50, 1), resample([counts], 50, 1), equal_nan=True)
    assert not np.array_equal(resample([counts], 50, 1), resample([counts], 50, 2), equal_nan=True)


def test_resamples_without_a_face_are_left_out() -> None:
    values = np.array([np.nan, 0.25, 0.75])
    found = interval(0.5, values)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile([0.25, 0.75], (2.5, 97.5))))
    nothing = interval(float("nan"), values[:1])
    assert nothing.to_json() == {"value": None, "low": None, "high": None}
    assert paired_test((np.nan, np.nan), (values[:1], values[:1])).to_json()["p_value"] is None
    assert Interval(0.5, 0.25, 0.75).to_json() == {"value": 0.5, "low": 0.25, "high": 0.75}


def test_runs_on_other_images_are_refused() -> None:
    one, other = image_counts(small_set(0).matches), image_counts(small_set(0, images=4).matches)
    with pytest.raises(ValueError, match=r"runs on \[4, 8\] images"):
        resample([one, other], 10)
    with pytest.raises(ValueError, match="0 resamples"):
        resample([one], 0)


@pytest.mark.wider
def test_a_thousand_resamples_of_the_full_validation_take_seconds(shared: Path) -> None:
    truth = load_ground_truth(shared / "data/wider_val_gt")
    rows = read_wider_text(shared / "data/predictions/retinaface_mobilenet025.tar.gz", truth.image_ids).predictions
    matches = match_images(rows, truth, score_range(rows.scores))
    before = time.perf_counter()
    (drawn,) = resample([image_counts(matches)], 1000)
    assert time.perf_counter() - before < 20  # about 1 s on a free machine
    for place, level in enumerate(LEVELS):
        ap = average_precision(matches.ap_counts(matches.counts[level]))
        found = interval(ap, drawn[place])
        assert found.low < ap < found.high
        assert 0.003 < found.high - found.low < 0.05
