"""A world with two dumps of the same drawings, their vote, and a ranker that learns from their agreement."""

from __future__ import annotations

from tests.stages.world import World

RECIPE = {"steps": 60, "batch": 64, "width": 8}


def agreeing(world: World, images: int = 6) -> World:
    """Adds `images`, dumps `one` and `other`, `voted`, `labelled`, `ranker` and `ranked`, in shards of all lengths."""
    world.node("images", "index", dataset={"kind": "synthetic", "images": images, "width": 160, "height": 120})
    world.node("one", "guess", inputs={"samples": "images"}, run={"shard_rows": 4})
    world.node("other", "guess", inputs={"samples": "images"}, jitter=0.1, false_alarms=5, run={"shard_rows": 3})
    both = ["one", "other"]
    world.node("voted", "fuse", inputs={"detections": both}, iou=0.3)
    found = {"detections": "voted", "candidates": both}
    world.node("labelled", "label_agreement", inputs={"samples": "images", **found}, run={"shard_rows": 5})
    world.node("ranker", "train_agreement", inputs={"labelled": "labelled"}, recipe=RECIPE)
    world.node("ranked", "rerank_by_agreement", inputs={**found, "checkpoint": "ranker"}, run={"shard_rows": 2})
    return world
