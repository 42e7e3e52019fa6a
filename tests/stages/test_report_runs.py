from __future__ import annotations

import re
from pathlib import Path

from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 4, "width": 160, "height": 120}


def test_a_fused_run_costs_all_that_it_was_made_of(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    for name, jitter in (("a", 0.3), ("b", 0.1)):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=jitter)
    world.node("both", "fuse", inputs={"detections": ["a", "b"]})
    world.node("ap_a", "evaluate", inputs={"samples": "faces", "detections": "a"})
    world.node("ap_both", "evaluate", inputs={"samples": "faces", "detections": "both"})
    world.node("page", "report", inputs={"samples": "faces", "ap": ["ap_a", "ap_both"]}, gallery=0)
    world.done()
    parts = [world.artifact(name).ms_per_row() or 0 for name in ("a", "b", "both")]
    text = Path(world.store.path("page.html")).read_text(encoding="utf-8")
    label = re.search(r'data-label="both: AP [\d.]+, ([\d.,]+) ms"', text)
    assert label is not None
    assert abs(float(label[1].replace(",", "")) - sum(parts)) < 0.1


def test_several_dumps_are_named_with_all_their_sizes(world: World, weights: str) -> None:
    world.node("faces", "index", dataset=DATA)
    for canvas in ("original", "200"):
        found = {"path": weights, "max_candidates": 20, "canvas": canvas}
        world.node(f"boxes_{canvas}", "predict", inputs={"samples": "faces"}, **found)
        world.node(f"single_{canvas}", "suppress", inputs={"candidates": f"boxes_{canvas}"}, score=0)
    world.node("both", "fuse", inputs={"detections": ["single_original", "single_200"]})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "both"})
    world.node("page", "report", inputs={"samples": "faces", "ap": ["ap"]}, gallery=0)
    world.done()
    text = Path(world.store.path("page.html")).read_text(encoding="utf-8")
    assert "<dt>Scales</dt><dd>original + 200</dd>" in text
