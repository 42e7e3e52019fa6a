from __future__ import annotations

import numpy as np
import pytest

from pipeline.boxes.iou import iou_matrix
from pipeline.data.canvas import parse_canvas
from pipeline.data.images import decode
from pipeline.engine.stage import Resources, StageContext
from pipeline.inference.redetection import crop_window
from stages.predict import Predict
from tests.stages.world import World


@pytest.fixture
def again(world: World, weights: str) -> World:
    """Candidates of three drawn images and one that is none, examined again in shards of two."""
    world.dump_of_photos(weights, 12, {"shard_rows": 2, "max_error_share": 0.5})
    world.node("found", "suppress", inputs={"candidates": "boxes"}, score=0.0)
    fields = {"score": 0.0, "context": 2.0, "iou": 0.3}
    wired = {"samples": "images", "detections": "found"}
    world.node("again", "redetect", inputs=wired, path=weights, run={"shard_rows": 2, "max_error_share": 0.5}, **fields)
    return world


def test_boxes_stay_and_scores_are_those_of_their_crops(again: World, weights: str) -> None:
    again.done()
    found, rescored = again.by_id("found"), again.by_id("again")
    assert list(found) == list(rescored)
    assert "broken.jpg" in rescored and rescored["broken.jpg"].error
    predictor = Predict(canvas="original").predictor(StageContext("again", weights, Resources(), {}))
    for name in ("0.png", "1.png", "2.png"):
        image = decode((again.folder / "photos" / name).read_bytes())
        expected = []
        for box in found[name].boxes:
            left, top, right, bottom = crop_window(box, 2, image.shape[1], image.shape[0])
            inside = predictor.candidates(np.ascontiguousarray(image[top:bottom, left:right]), parse_canvas("original"))
            same = iou_matrix(inside.boxes, box[None] - np.float32([left, top, left, top]))[:, 0] >= 0.3
            expected.append(inside.scores[same].max(initial=0))
        order = np.argsort(-np.array(expected), kind="stable")
        assert np.array_equal(rescored[name].boxes, found[name].boxes[order])
        assert rescored[name].scores == pytest.approx(np.array(expected)[order], abs=1e-6)
    assert any((each.scores > 0).any() for each in rescored.values())


def test_boxes_below_the_score_are_not_examined(again: World) -> None:
    again.done("again.score=1.5")
    for name, given in again.by_id("found").items():
        assert np.array_equal(again.by_id("again", "again.score=1.5")[name].scores, given.scores)


def test_every_choice_and_every_input_is_another_output(again: World) -> None:
    again.done()
    choices = ("again.context=3", "again.score=0.1", "again.iou=0.6", "again.canvas=64", "found.max_detections=1")
    known = {again.identity("again", *([choice] if choice else [])) for choice in ("", *choices[:4])}
    assert len(known) == 5
    outcome = again.done(choices[4])
    assert outcome.computed == ["found", "again"]
    assert all(len(each.boxes) <= 1 for each in again.by_id("again", choices[4]).values())
