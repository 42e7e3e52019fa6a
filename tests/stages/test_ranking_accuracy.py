from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.labelled_faces import ImageFaces
from pipeline.evaluation.ranking_accuracy import count_pairs
from stages.ranking_accuracy import _tasks
from tests.stages.labelled_set import labelled_set
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 7, "width": 160, "height": 120}


@pytest.fixture
def ranked(world: World) -> World:
    """Guesses in their own order and in the best one, in shards that do not fall together."""
    world.node("faces", "index", dataset=DATA)
    lenient = {"max_error_share": 0.5}
    world.node("guesses", "guess", inputs={"samples": "faces"}, run={"shard_rows": 3, **lenient})
    wired = {"samples": "faces", "candidates": "guesses"}
    world.node("best", "oracle", inputs=wired, iou=None, pixel_inclusive=False, run={"shard_rows": 2, **lenient})
    world.node("order", "ranking_accuracy", inputs={"samples": "faces", "candidates": ["guesses", "best"]}, pairs=4)
    return world


def test_the_oracle_is_right_everywhere_and_a_guess_is_not(ranked: World) -> None:
    ranked.done()
    guess, best = ranked.rows("order")
    assert (guess["name"], best["name"]) == ("guesses", "best")
    assert (best["neighbours"], best["near"], best["every"]) == (1, 1, 1)
    assert 0.2 < guess["every"] < 0.8
    for column in ("images", "boxes", "pairs", "untied", "all_pairs", "all_untied"):
        assert guess[column] == best[column]
    assert len(guess["pairs"]) == 4


def test_counts_are_those_of_the_images_added_up(ranked: World) -> None:
    ranked.done("order.pixel_inclusive=true")
    faces = {row["image_id"]: row for row in ranked.rows("faces")}
    parts = []
    for image_id, found in ranked.by_id("guesses").items():
        boxes = np.stack([np.asarray(faces[image_id][name], np.float32) for name in ("x1", "y1", "x2", "y2")], axis=1)
        truth = closest_overlap(found.boxes.astype(np.float64), boxes, pixel_inclusive=True)
        parts.append(count_pairs(truth, np.arange(len(truth)), 4))
    row = ranked.rows("order", "order.pixel_inclusive=true")[0]
    assert row["images"] == 7
    for column in ("pairs", "untied", "right"):
        assert row[column] == np.sum([getattr(part, column) for part in parts], axis=0).tolist()
    for column in ("boxes", "all_pairs", "all_untied", "all_right"):
        assert row[column] == sum(getattr(part, column) for part in parts)
    assert row["every"] == row["all_right"] / row["all_untied"]


def test_an_image_that_failed_once_is_left_out_of_every_row(ranked: World) -> None:
    ranked.nodes["guesses"]["fails_on"] = "test/000003"
    ranked.done()
    assert [row["images"] for row in ranked.rows("order")] == [6, 6]


def test_the_table_is_printed(ranked: World) -> None:
    ranked.done()
    head, _, guess, best = Path(ranked.store.path("order.md")).read_text().splitlines()
    assert "1 to 4 apart" in head
    assert guess.startswith("| guesses | ")
    assert best.startswith("| best | 100.00 | 100.00 | 100.00 | ")
    assert best.endswith("| 7 |")


def test_suppressed_boxes_are_refused(ranked: World) -> None:
    ranked.nodes["best"]["iou"] = 0.4
    outcome = ranked.run()
    message = outcome.failed["order"]
    assert message.startswith("best: test/00000")
    assert "in another order as in guesses; wire what is not suppressed (iou: null)" in message


def test_other_images_are_refused(ranked: World) -> None:
    ranked.node("few", "index", dataset={**DATA, "images": 4})
    ranked.nodes["best"]["inputs"]["candidates"] = "fewer"
    ranked.node("fewer", "guess", inputs={"samples": "few"})
    assert "3 images of guesses are not in best, such as test/000004" in ranked.run().failed["order"]


def test_a_dump_of_another_size_is_refused(ranked: World) -> None:
    ranked.node("larger", "index", dataset={**DATA, "width": 320})
    ranked.nodes["order"]["inputs"]["samples"] = "larger"
    assert "guesses: test/000000: detections of 160 x 120 pixels, faces of 320 x 120" in ranked.run().failed["order"]


def test_a_node_wired_twice_is_refused(ranked: World) -> None:
    ranked.nodes["order"]["inputs"]["candidates"] = ["guesses", "guesses"]
    with pytest.raises(ValueError, match="expected each node once, found guesses, guesses"):
        ranked.run()


def test_each_task_has_the_images_of_one_shard_and_no_others() -> None:
    faces = {name: ImageFaces(9, 9, np.zeros((0, 4), np.float32)) for name in "abcde"}
    first = {"a": "1", "b": "1", "c": "2", "d": "2"}
    other = {"d": "x", "c": "x", "b": "x", "a": "y"}
    tasks = _tasks(faces, (first, other))
    assert [sorted(task.faces) for task in tasks] == [["a", "b"], ["c", "d"]]
    assert [task.shards for task in tasks] == [
        ({"a": "1", "b": "1"}, {"a": "y", "b": "x"}),
        ({"c": "2", "d": "2"}, {"c": "x", "d": "x"}),
    ]


def test_nothing_to_order_has_a_word(ranked: World, capfd: pytest.CaptureFixture[str]) -> None:
    ranked.node("faces", "index", dataset="coco_json", path=labelled_set(ranked.folder / "set", []))
    ranked.done()
    assert all(np.isnan(row["every"]) for row in ranked.rows("order"))
    said = capfd.readouterr().err
    assert (
        "order: no two boxes of an image differ in their overlap with faces: nothing to order in guesses, best" in said
    )
