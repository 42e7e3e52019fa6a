from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.boxes.agreement import Agreement
from pipeline.boxes.iou import iou_matrix
from pipeline.data.images import encode_png
from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import LEVELS
from pipeline.engine.shards import encode
from stages.label_agreement import LabelAgreement
from tests.stages.agreeing import agreeing
from tests.stages.world import World, drawn_image


@pytest.fixture
def two(world: World) -> World:
    agreeing(world)
    del world.nodes["ranker"], world.nodes["ranked"]
    return world


def labels(sample: Sample, boxes: np.ndarray, least: float) -> tuple[list[bool], list[list[bool]]]:
    """Hits, and per subset whether each box counts: one box after the other, in their order."""
    overlaps = iou_matrix(boxes, sample.boxes, pixel_inclusive=True)
    taken, hits, counts = set(), [], [[], [], []]
    for row in overlaps:
        face = int(row.argmax()) if row.max(initial=0) >= least else None
        hits.append(face is not None and face not in taken)
        taken.add(face)
        for level, found in zip(LEVELS, counts, strict=True):
            found.append(face is None or bool(sample.levels[level][face]))
    return hits, counts


@pytest.mark.parametrize(
    ("sets", "settings", "least"),
    [
        ([], Agreement(), 0.5),
        (["score=0.5", "candidate_score=0.3", "iou=0.5", "close_iou=0.6"], Agreement(0.5, 0.3, 0.5, 0.6), 0.5),
        (["face_iou=0.3"], Agreement(), 0.3),
    ],
)
def test_rows_are_labelled_image_by_image(two: World, sets: list[str], settings: Agreement, least: float) -> None:
    full = [f"labelled.{each}" for each in sets]
    two.done(*full)
    known = {row["image_id"]: Sample.from_row(row) for row in two.rows("images")}
    voted, one, other = two.by_id("voted"), two.by_id("one"), two.by_id("other")
    rows = two.rows("labelled", *full)
    assert [row["image_id"] for row in rows] == list(known)
    for row in rows:
        name = row["image_id"]
        boxes = voted[name].boxes[voted[name].scores > settings.score]
        scores = voted[name].scores[: len(boxes)]
        found = [(each[name].boxes, each[name].scores) for each in (one, other)]
        np.testing.assert_array_equal(
            np.float32(row["features"]).reshape(-1, 7), settings.features(boxes, scores, found)
        )
        hits, counts = labels(known[name], boxes, least)
        assert (row["hit"], [row[level] for level in LEVELS]) == (hits, counts)
        assert row["faces"] == [int(known[name].levels[level].sum()) for level in LEVELS]
        assert (row["width"], row["height"], row["error"]) == (160, 120, None)
    assert 0 < np.mean([hit for row in rows for hit in row["hit"]]) < 1


def test_faces_that_are_ignored_are_no_evidence(world: World) -> None:
    """Of the drawn faces the smallest count at the hard level alone."""
    agreeing(world, 12)
    world.nodes["images"]["dataset"]["width"] = 320
    for name in ("ranker", "ranked"):
        del world.nodes[name]
    world.done()
    known = {row["image_id"]: Sample.from_row(row) for row in world.rows("images")}
    ignored = sum(int((~sample.levels["easy"]).sum()) for sample in known.values())
    left_out = sum(easy is False for row in world.rows("labelled") for easy in row["easy"])
    assert ignored and left_out


@pytest.mark.parametrize("rows", [1, 6])
def test_rows_are_the_same_however_they_are_sharded(two: World, rows: int) -> None:
    two.done()
    before = pa.Table.from_pylist(two.rows("labelled"), schema=LabelAgreement.output)
    two.store.delete_folder("labelled")
    two.nodes["labelled"]["run"] = {"shard_rows": rows}
    two.done()
    assert encode(pa.Table.from_pylist(two.rows("labelled"), schema=LabelAgreement.output)) == encode(before)


def test_a_new_image_costs_its_own_row(two: World) -> None:
    added = two.photos(3) / "added.png"
    two.require_own_row("labelled", lambda: added.write_bytes(encode_png(drawn_image(7))))


def test_a_change_of_any_input_is_seen(two: World) -> None:
    two.done()
    two.done("other.jitter=0.2")
    assert two.computed("labelled", "other.jitter=0.2") == 6


def test_errors_become_rows_that_name_their_node(two: World) -> None:
    two.done()
    first, second, third = list(two.by_id("one"))[:3]
    two.nodes["one"]["fails_on"], two.nodes["other"]["fails_on"] = first, second
    for name in ("one", "other", "voted", "labelled"):
        two.nodes[name].setdefault("run", {})["max_error_share"] = 0.9
    two.done()
    rows = {row["image_id"]: row for row in two.rows("labelled")}
    assert rows[first]["error"] == "voted: one: made to fail; one: made to fail"
    assert rows[second]["error"] == "voted: other: made to fail; other: made to fail"
    assert (rows[first]["features"], rows[first]["faces"]) == ([], [0, 0, 0])
    assert rows[third]["error"] is None


def test_boxes_of_another_size_are_refused(two: World) -> None:
    two.node("larger", "index", dataset={"kind": "synthetic", "images": 6, "width": 320, "height": 240})
    two.nodes["labelled"]["inputs"]["samples"] = "larger"
    message = two.run().failed["labelled"]
    assert "6 of 6 rows are errors" in message
    assert "voted: its boxes are of an image of 160 x 120, larger has 320 x 240" in message


def test_dumps_of_other_images_are_refused(two: World) -> None:
    two.node("more", "index", dataset={"kind": "synthetic", "images": 8, "width": 160, "height": 120})
    two.nodes["labelled"]["inputs"]["samples"] = "more"
    two.done(selected=["images", "more", "one", "other", "voted"])
    assert "2 images of more are not in voted, such as" in two.plan()["labelled"].reason


def test_a_close_overlap_below_the_other_one_is_refused(two: World) -> None:
    assert "close_iou is 0.3, expected at least iou, 0.4" in two.plan("labelled.close_iou=0.3")["labelled"].reason


def test_a_node_that_is_wired_twice_is_refused(two: World) -> None:
    two.nodes["labelled"]["inputs"]["candidates"] = ["one", "one"]
    assert "inputs.candidates: expected each node once, found one, one" in two.plan()["labelled"].reason


def test_one_dump_may_be_both_the_boxes_and_a_set_of_candidates(two: World) -> None:
    two.nodes["labelled"]["inputs"]["detections"] = "other"
    two.done()
    one, other = two.by_id("one"), two.by_id("other")
    for row in two.rows("labelled"):
        name = row["image_id"]
        sets = [(each[name].boxes, each[name].scores) for each in (one, other)]
        expected = Agreement().features(other[name].boxes, other[name].scores, sets)
        np.testing.assert_array_equal(np.float32(row["features"]).reshape(-1, 7), expected)


def test_scores_that_are_no_votes_are_refused() -> None:
    """A ranker's plain sums may leave 0..1: their logit would mean nothing."""
    sample = Sample("a", "a.jpg", "", 100, 100, np.float32([[0, 0, 9, 9]]))
    row = Detections("a", 100, 100, np.float32([[0, 0, 9, 9]]), np.float32([1.2]))
    with pytest.raises(ValueError, match=r"scores of boxes are 1.2 to 1.2, expected 0..1"):
        LabelAgreement()._labelled(sample, row, [row])
