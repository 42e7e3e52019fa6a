from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.frame import MOGFACE, PLAIN
from pipeline.data.images import encode_png
from pipeline.inference.fusion import Fusion, Suppression, Voting, fuse
from pipeline.models.rankers import RANKERS
from pipeline.models.weights import save_bytes
from tests.stages.world import World, drawn_image


@pytest.fixture
def two(world: World) -> World:
    """Guesses about the faces of six drawings by two nodes, in shards of different lengths."""
    world.node("images", "index", dataset={"kind": "synthetic", "images": 6, "width": 160, "height": 120})
    world.node("one", "guess", inputs={"samples": "images"}, run={"shard_rows": 4})
    world.node("other", "guess", inputs={"samples": "images"}, jitter=0.1, false_alarms=5, run={"shard_rows": 3})
    world.node("fused", "fuse", inputs={"detections": ["one", "other"]}, run={"shard_rows": 5})
    return world


def assert_fused(world: World, rule: Fusion, *sets: str) -> None:
    one, other, fused = world.by_id("one"), world.by_id("other"), world.by_id("fused", *sets)
    assert list(fused) == list(one)
    for name, found in fused.items():
        rows = (one[name], other[name])
        expected = fuse([each.scored for each in rows], rule)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)
        assert (found.width, found.height) == (one[name].width, one[name].height)


@pytest.mark.parametrize(
    ("sets", "rule"),
    [
        ((), Voting()),
        (("rule=vote", "iou=0.6", "convention=mogface", "max_detections=3"), Voting(0.6, "keep", 3, MOGFACE)),
        (("singles=drop",), Voting(singles="drop")),
        (("rule=nms", "iou=0.3", "max_detections=4"), Suppression(0.3, cap=4)),
        (("rule=nms", "convention=mogface"), Suppression(convention=MOGFACE)),
        (("convention=plain",), Voting(convention=PLAIN)),
    ],
)
def test_rows_are_fused_image_by_image(two: World, sets: tuple[str, ...], rule: Fusion) -> None:
    full = [f"fused.{each}" for each in sets]
    two.done(*full)
    assert_fused(two, rule, *full)


def test_fused_rows_go_on_to_the_evaluation(two: World) -> None:
    two.node("ap", "evaluate", inputs={"samples": "images", "detections": "fused"})
    two.done()
    assert {row["subset"] for row in two.rows("ap")} == {"easy", "medium", "hard"}


def test_the_order_of_the_inputs_is_part_of_the_identity(two: World) -> None:
    two.done()
    before = two.identity("fused")
    two.nodes["fused"]["inputs"] = {"detections": ["other", "one"]}
    assert two.identity("fused") != before
    two.done()
    assert two.computed("fused") == 6


def test_a_change_of_either_input_is_seen(two: World) -> None:
    two.done()
    two.done("other.jitter=0.2")
    assert two.computed("fused", "other.jitter=0.2") == 6


def test_a_new_image_costs_one_row(world: World, weights: str) -> None:
    folder = world.folder / "photos"
    folder.mkdir()
    for seed in range(2):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    world.node("images", "index", dataset="image_folder", path=str(folder))
    for name, canvas in (("plain", "original"), ("large", 150)):
        world.node(
            name,
            "predict",
            inputs={"samples": "images"},
            path=weights,
            canvas=canvas,
            max_candidates=40,
            run={"shard_rows": 1},
        )
    world.node("fused", "fuse", inputs={"detections": ["plain", "large"]})
    world.done()
    (folder / "2.png").write_bytes(encode_png(drawn_image(5)))
    world.done()
    assert world.computed("fused") == 1
    rows = world.by_id("fused")
    assert len(rows) == 3
    assert all(row.landmarks is not None and len(row.boxes) for row in rows.values())


def test_an_error_of_either_input_stays_one(two: World) -> None:
    two.done()
    (first, second) = list(two.by_id("one"))[:2]
    two.nodes["one"]["fails_on"], two.nodes["other"]["fails_on"] = first, second
    for name in ("one", "other", "fused"):
        two.nodes[name]["run"]["max_error_share"] = 0.9
    two.done()
    rows = two.by_id("fused")
    assert rows[first].error == "one: made to fail"
    assert rows[second].error == "other: made to fail"
    assert len(rows[first].boxes) == 0
    assert rows[first].width > 0
    assert sum(row.error is None for row in rows.values()) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": {"detections": "one"}}, "expected two nodes or more to fuse"),
        ({"rule": "nms", "singles": "drop"}, "singles is an option of rule vote"),
    ],
)
def test_mistakes_are_named(two: World, change: dict[str, object], words: str) -> None:
    two.nodes["fused"].update(change)
    assert words in two.plan()["fused"].reason


def test_scores_below_zero_cannot_vote_and_the_way_out_is_named(world: World, weights: str, tmp_path: Path) -> None:
    """A ranker's sums leave 0..1; squashed ones vote, and suppression takes either."""
    ranker = RANKERS["roi_mobilenet"].build(num_candidates=30)
    torch.nn.init.constant_(ranker.answer[-1].bias, -3.0)
    file = tmp_path / "ranker.safetensors"
    file.write_bytes(save_bytes("roi_mobilenet", ranker, {"model_args": {"num_candidates": 30}}))
    world.node("images", "index", dataset={"kind": "synthetic", "images": 2, "width": 96, "height": 64})
    world.node("boxes", "predict", inputs={"samples": "images"}, path=weights, canvas="original", max_candidates=30)
    world.node("ranked", "rerank", inputs={"samples": "images", "candidates": "boxes"}, path=str(file))
    world.node("fused", "fuse", inputs={"detections": ["boxes", "ranked"]})
    message = world.run().failed["fused"]
    assert (
        "ranked: " in message and "expected 0 or more to vote with" in message and "`score_format: squash`" in message
    )
    world.done("fused.rule=nms")
    world.done("ranked.score_format=squash")
    assert all(row.error is None for row in world.by_id("fused", "ranked.score_format=squash").values())


def test_inputs_of_other_images_are_refused(two: World) -> None:
    two.node("more", "index", dataset={"kind": "synthetic", "images": 8, "width": 160, "height": 120})
    two.nodes["other"]["inputs"] = {"samples": "more"}
    outcome = two.run()
    assert "images of other are not in one, such as" in outcome.failed.get("fused", two.plan()["fused"].reason)
