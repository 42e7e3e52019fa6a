"""The validator's AP is that of prediction, suppression and evaluation, in any number of processes."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.canvas import parse_canvas
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Sample
from pipeline.evaluation.wider_result import evaluate
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector
from stages.validators.detector import DetectorValidator
from tests.stages.world import World

DRAWINGS = Synthetic(images=7, width=112, height=96)
RECIPE = {"steps": 18, "batch": 8, "crop": 96, "warmup": 2, "eval_every": 8, "learning_rate": 8.0e-3}


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    reader = DRAWINGS.open()
    return [reader(entry) for entry in DRAWINGS.entries()]


@pytest.fixture(scope="module")
def validator(samples: list[Sample]) -> DetectorValidator:
    return DetectorValidator(samples, read)


@pytest.fixture(scope="module")
def detector(weights: str) -> Detector:
    return open_detector(weights)[1]


def read(path: str) -> bytes:
    return DRAWINGS.image_bytes("", path)


def test_what_is_found_is_what_the_predictor_finds(validator: DetectorValidator, detector: Detector) -> None:
    found = validator(detector, 0, 1)
    predictor = Predictor(detector)
    assert [each.image_id for each in found] == [sample.image_id for sample in validator.samples]
    for index, each in enumerate(found):
        expected = detections(predictor.candidates(DRAWINGS.draw(index)[0], parse_canvas("original")))
        assert len(each.boxes) > 10 and (each.width, each.height) == (112, 96)
        np.testing.assert_array_equal(each.boxes, expected.boxes)
        np.testing.assert_array_equal(each.scores, expected.scores)
    ap = evaluate(ground_truth_of(validator.samples), PredictionSet.of(found)).ap
    assert validator.metrics([found]) == ap
    assert set(ap) == {"easy", "medium", "hard"} and ap["hard"] > 0


@pytest.mark.parametrize("processes", [2, 3, 9])
def test_shares_together_are_the_whole(validator: DetectorValidator, detector: Detector, processes: int) -> None:
    whole = validator(detector, 0, 1)
    shares = [validator(detector, rank, processes) for rank in range(processes)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    together = {each.image_id: each for share in shares for each in share}
    assert len(together) == sum(map(len, shares)) == len(whole)
    for each in whole:
        np.testing.assert_array_equal(together[each.image_id].boxes, each.boxes)
        np.testing.assert_array_equal(together[each.image_id].scores, each.scores)
    assert validator.metrics(shares) == validator.metrics([whole])


def test_an_image_that_cannot_be_read_has_no_detections(validator: DetectorValidator, detector: Detector) -> None:
    gone, empty = validator.samples[2].path, validator.samples[4].path

    def partly(path: str) -> bytes:
        if path == gone:
            raise OSError("gone")
        return b"" if path == empty else read(path)

    found = replace(validator, read=partly)(detector, 0, 1)
    assert [(len(each.boxes) > 0, each.error) for each in found] == [
        (True, None), (True, None), (False, "gone"), (True, None), (False, "the file is empty (zero bytes)"),
        (True, None), (True, None),
    ]  # fmt: skip
    # Its faces are missed, not left out.
    counted = evaluate(ground_truth_of(validator.samples), PredictionSet.of(found))
    assert validator.metrics([found]) == counted.ap
    assert counted.counts["hard"].faces == sum(int(sample.levels["hard"].sum()) for sample in validator.samples)


def test_outputs_that_are_not_finite_find_nothing(validator: DetectorValidator, detector: Detector) -> None:
    broken = copy.deepcopy(detector)
    for weight in broken.parameters():
        weight.data.fill_(float("nan"))
    found = validator(broken, 0, 1)
    assert len(found) == len(validator.samples)
    assert all(each.error and not len(each.boxes) for each in found)
    assert all(ap in (0.0,) or ap != ap for ap in validator.metrics([found]).values())


def test_an_evaluation_changes_nothing(validator: DetectorValidator, detector: Detector) -> None:
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    validator(detector, 1, 4)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    assert all(weight.requires_grad for weight in detector.parameters())


def test_it_travels(validator: DetectorValidator) -> None:
    twin = pickle.loads(pickle.dumps(validator))
    assert [sample.image_id for sample in twin.samples] == [sample.image_id for sample in validator.samples]
    assert twin.read(twin.samples[0].path) == read(validator.samples[0].path)


@pytest.mark.slow
def test_the_last_evaluation_of_a_training_is_the_ap_of_the_pipeline(world: World) -> None:
    """From end to end: trained with evaluations, then predicted, suppressed and evaluated by their own stages."""
    synthetic = {"kind": "synthetic", "width": 96, "height": 96}
    world.node("drawings", "index", dataset={**synthetic, "split": "train", "images": 16})
    world.node("unseen", "index", dataset={**synthetic, "split": "test", "images": 6})
    inputs = {"samples": "drawings", "held_out": "unseen"}
    world.node("detector", "train_detector", inputs=inputs, recipe=RECIPE)
    world.node("boxes", "predict", inputs={"samples": "unseen", "checkpoint": "detector"}, canvas="original")
    world.node("found", "suppress", inputs={"candidates": "boxes"})
    world.node("ap", "evaluate", inputs={"samples": "unseen", "detections": "found"})
    world.done()
    expected = {row["subset"]: row["ap"] for row in world.rows("ap")}
    (row,) = world.rows("detector")
    log = [json.loads(line) for line in row["log"].splitlines()]
    evaluated = {entry["step"]: entry["ap"] for entry in log if "ap" in entry}
    assert list(evaluated) == [8, 16, 18]
    assert evaluated[18] == pytest.approx(expected, rel=1e-12)
    assert 0 < expected["hard"] < 1
    assert len(row["loss"]) == 18
    published = Path(world.store.path("detector.jsonl")).read_text().splitlines()
    assert [json.loads(line) for line in published] == log


def test_evaluations_change_nothing_but_the_log(world: World) -> None:
    synthetic = {"kind": "synthetic", "width": 96, "height": 96}
    world.node("drawings", "index", dataset={**synthetic, "split": "train", "images": 4})
    world.node("unseen", "index", dataset={**synthetic, "split": "test", "images": 2})
    recipe = {"steps": 3, "batch": 2, "crop": 64, "warmup": 1, "eval_every": 1}
    world.node("validated", "train_detector", inputs={"samples": "drawings", "held_out": "unseen"}, recipe=recipe)
    world.node("plain", "train_detector", inputs={"samples": "drawings"}, recipe=recipe)
    world.done()
    rows = [world.rows(name)[0] for name in ("validated", "plain")]
    assert rows[0]["weights"] == rows[1]["weights"]
    assert rows[0]["loss"] == rows[1]["loss"]
    assert (rows[0]["log"].count(b'"ap"'), rows[1]["log"].count(b'"ap"')) == (3, 0)


def test_levels_without_a_face_are_left_out_of_the_score(validator: DetectorValidator) -> None:
    assert validator.score({"easy": 0.5, "medium": 0.7, "hard": math.nan}) == pytest.approx(0.6)
    assert validator.score({"hard": math.nan}) == validator.score({}) == 0
