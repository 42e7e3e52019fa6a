"""The whole pipeline, from drawn images to the page: in this process and on Ray the same bytes."""

from __future__ import annotations

import pytest

from pipeline.cluster.ray_executor import RayExecutor
from tests.cluster.conftest import cluster
from tests.stages.world import World

__all__ = ["cluster"]


@pytest.fixture
def everything(world: World) -> World:
    size = {"width": 96, "height": 96}
    world.node("drawings", "index", dataset={"kind": "synthetic", "split": "train", "images": 6, **size})
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 5, **size}, run={"shard_rows": 3})
    recipe = {"steps": 5, "batch": 2, "images": 6, "crop": 64, "warmup": 1}
    world.node("detector", "train_detector", inputs={"samples": "drawings"}, recipe=recipe)
    world.node(
        "boxes",
        "predict",
        inputs={"samples": "faces", "checkpoint": "detector"},
        canvas=128,
        max_candidates=200,
        run={"shard_rows": 2, "workers": 2},
    )
    world.node("found", "suppress", inputs={"candidates": "boxes"}, run={"shard_rows": 3})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    world.node("page", "report", inputs={"samples": "faces", "ap": "ap"}, gallery=2)
    return world


def test_everything_runs_once(everything: World) -> None:
    assert everything.done().computed == list(everything.graph().order)
    assert everything.done().reused == list(everything.graph().order)
    assert [row["subset"] for row in everything.rows("ap")] == ["easy", "medium", "hard"]
    assert {len(found.boxes) for found in everything.by_id("boxes").values()} == {200}


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_ray_writes_the_same_bytes(everything: World) -> None:
    """From `found` on; that the nodes before it do is shown by a job on a cluster, which each of their starts costs."""
    everything.done()
    here = everything.checksums()
    page = everything.store.read("page.html")
    for node in ("found", "ap", "page"):
        everything.store.delete_folder(node)
    assert everything.done(executor=RayExecutor).computed == ["found", "ap", "page"]
    there = everything.checksums()
    # The page has timings; shards of a pool may finish in any order, but the manifest has them in the dataset's.
    assert {node: there[node] for node in there if node != "page"} == {n: here[n] for n in here if n != "page"}
    assert len(everything.store.read("page.html")) == pytest.approx(len(page), rel=0.01)
