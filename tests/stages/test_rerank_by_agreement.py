from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.records import Detections
from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers.agreement import open_agreement
from pipeline.models.weights import save_bytes
from tests.stages.agreeing import agreeing
from tests.stages.world import World, drawn_image


@pytest.fixture
def two(world: World) -> World:
    return agreeing(world)


def assert_ranked(world: World, weights: bytes, *sets: str) -> None:
    ranker = open_agreement(weights)
    voted, one, other = world.by_id("voted"), world.by_id("one"), world.by_id("other")
    ranked = world.by_id("ranked", *sets)
    assert list(ranked) == list(voted)
    moved = 0
    for name, found in ranked.items():
        kept = voted[name].scored.take(voted[name].scores > ranker.agreement.score)
        candidates = [(each[name].boxes, each[name].scores) for each in (one, other)]
        refined = ranker.scores(kept.boxes, kept.scores, candidates)
        order = np.argsort(-refined, kind="stable")
        np.testing.assert_array_equal(found.boxes, kept.boxes[order])
        np.testing.assert_array_equal(found.scores, refined[order])
        moved += int((order != np.arange(len(order))).sum())
    assert moved, "the ranker changed no order"


def test_boxes_stay_and_their_order_is_that_of_the_refined_scores(two: World) -> None:
    two.done()
    assert_ranked(two, two.rows("ranker")[0]["weights"])


def test_the_ranker_brings_its_settings_along(two: World) -> None:
    sets = ["labelled.score=0.4", "labelled.candidate_score=0.3", "labelled.iou=0.3"]
    two.done(*sets)
    (row,) = two.rows("ranker", *sets)
    assert open_agreement(row["weights"]).agreement.score == 0.4
    assert_ranked(two, row["weights"], *sets)
    before, after = two.by_id("voted"), two.by_id("ranked", *sets)
    assert all(len(after[name].boxes) == (before[name].scores > 0.4).sum() for name in before)
    assert sum(len(row.boxes) for row in after.values()) < sum(len(row.boxes) for row in before.values())


def test_weights_from_a_file_give_the_same_rows(two: World) -> None:
    two.done()
    file = two.folder / "mine.safetensors"
    file.write_bytes(weights := two.rows("ranker")[0]["weights"])
    two.nodes["ranked"]["path"] = str(file)
    del two.nodes["ranked"]["inputs"]["checkpoint"]
    two.done()
    assert_ranked(two, weights)
    assert two.artifact("ranked").manifest.fingerprint_fields["file_hashes"]


def test_ranked_boxes_go_on_to_the_evaluation_and_the_page(two: World) -> None:
    for name in ("voted", "ranked"):
        two.node(f"ap_{name}", "evaluate", inputs={"samples": "images", "detections": name})
    two.node("page", "report", inputs={"samples": "images", "ap": ["ap_voted", "ap_ranked"]}, gallery=0)
    two.done()
    page = two.store.read("page.html").decode()
    assert "<dt>Ranker</dt><dd>agreement</dd>" in page and "<dd>no image</dd>" in page
    assert {row["subset"] for row in two.rows("ap_ranked")} == {"easy", "medium", "hard"}


def test_landmarks_go_along_and_a_new_image_costs_one_row(world: World, weights: str) -> None:
    agreeing(world)
    folder = world.photos(2)
    world.node("learnt_images", "index", dataset={"kind": "synthetic", "images": 6, "width": 160, "height": 120})
    for name in ("one", "other"):
        world.nodes[f"learnt_{name}"] = {**world.nodes[name], "inputs": {"samples": "learnt_images"}}
        canvas = "original" if name == "one" else 150
        found = {"path": weights, "canvas": canvas, "max_candidates": 40}
        world.node(name, "predict", inputs={"samples": "images"}, **found, run={"shard_rows": 1})
    learnt = ["learnt_one", "learnt_other"]
    world.node("learnt_voted", "fuse", inputs={"detections": learnt})
    found = {"samples": "learnt_images", "detections": "learnt_voted", "candidates": learnt}
    world.nodes["labelled"]["inputs"] = found
    world.done()
    before = world.by_id("ranked")
    assert all(row.landmarks is not None and len(row.boxes) for row in before.values())
    voted = world.by_id("voted")
    for name, row in before.items():
        place = {box.tobytes(): number for number, box in enumerate(voted[name].boxes)}
        order = [place[box.tobytes()] for box in row.boxes]
        np.testing.assert_array_equal(row.landmarks, voted[name].landmarks[order])  # type: ignore[index]
    world.require_own_row("ranked", lambda: (folder / "2.png").write_bytes(encode_png(drawn_image(5))))


def test_an_error_of_any_input_stays_one(two: World) -> None:
    two.done()
    first, second = list(two.by_id("one"))[:2]
    two.nodes["one"]["fails_on"], two.nodes["other"]["fails_on"] = first, second
    for name in ("one", "other", "voted", "labelled", "ranked"):
        two.nodes[name].setdefault("run", {})["max_error_share"] = 0.9
    two.done()
    rows = two.by_id("ranked")
    assert rows[first].error == "voted: one: made to fail; one: made to fail"
    assert rows[second].error == "voted: other: made to fail; other: made to fail"
    assert rows[first].width == 160 and len(rows[first].boxes) == 0
    assert sum(row.error is None for row in rows.values()) == 4


def test_another_number_of_canvases_is_refused(two: World) -> None:
    two.nodes["ranked"]["inputs"]["candidates"] = "one"
    assert "ranker: it was trained on candidates of 2 canvases or detectors, found 1" in two.run().failed["ranked"]


def test_scores_that_are_no_votes_end_the_node(two: World) -> None:
    """Published text may have scores of any size, as plain sums of `rerank` have."""
    two.done()
    for name in two.by_id("voted"):
        file = two.folder / "text" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{file.stem}\n1\n0 0 9 9 1.5\n")
    two.node("text", "text_predictions", inputs={"samples": "images"}, path=str(two.folder / "text"))
    two.nodes["ranked"]["inputs"]["detections"] = "text"
    two.nodes["labelled"]["inputs"]["detections"] = "voted"
    message = two.run().failed["ranked"]
    assert "text: " in message and "scores of boxes are 1.5 to 1.5, expected 0..1" in message


def test_candidates_of_an_image_of_another_size_are_an_error(two: World) -> None:
    two.done()
    two.node("larger", "index", dataset={"kind": "synthetic", "images": 6, "width": 320, "height": 240})
    two.node("wide", "guess", inputs={"samples": "larger"})
    two.nodes["ranked"]["inputs"]["candidates"] = ["one", "wide"]
    assert "wide: its boxes are of an image of 320 x 240, voted has 160 x 120" in two.run().failed["ranked"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": {"detections": "voted", "candidates": "one"}}, "expected weights either as a file in `path` or"),
        ({"path": "somewhere"}, "found both"),
    ],
)
def test_weights_come_from_one_place(two: World, change: dict[str, Any], words: str) -> None:
    two.nodes["ranked"].update(change)
    assert words in two.plan()["ranked"].reason


def test_a_node_that_is_wired_twice_is_refused(two: World) -> None:
    two.nodes["ranked"]["inputs"]["candidates"] = ["one", "one"]
    assert "inputs.candidates: expected each node once, found one, one" in two.plan()["ranked"].reason


def test_a_file_of_another_network_is_refused_at_planning(two: World) -> None:
    file = two.folder / "detector.safetensors"
    file.write_bytes(save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build()))
    del two.nodes["ranked"]["inputs"]["checkpoint"]
    two.nodes["ranked"]["path"] = str(file)
    assert (
        "holds the detector retinaface_mobilenet: expected one of stage train_agreement" in two.plan()["ranked"].reason
    )


def test_no_boxes_are_a_row_without_boxes(two: World) -> None:
    two.done()
    two.nodes["voted"] = {"stage": "suppress", "inputs": {"candidates": "one"}, "score": 0.9999, "run": {}}
    two.nodes["labelled"]["inputs"]["detections"] = "other"
    two.done()
    assert all(isinstance(row, Detections) and not len(row.boxes) for row in two.by_id("ranked").values())
