"""From an evaluation back to its detections, candidates and checkpoints, along the graph."""

from __future__ import annotations

import pytest

from pipeline.engine.plan import context
from pipeline.engine.stage import StageContext
from stages.lineage import Lineage, lineage_of, lineage_of_ap
from stages.report_runs import run_of
from tests.stages.agreeing import agreeing
from tests.stages.world import World


@pytest.fixture
def several(world: World) -> World:
    """Evaluations of suppressed, twice suppressed, fused and untouched candidates."""
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 2, "width": 96, "height": 64})
    for name in ("one", "other"):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=0.1)
        world.node(f"found_{name}", "suppress", inputs={"candidates": name})
    world.node("twice", "suppress", inputs={"candidates": "found_one"}, iou=0.3)
    world.node("fused", "fuse", inputs={"detections": ["found_one", "found_other"]})
    for name in ("found_one", "twice", "fused", "other"):
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    aps = [name for name in world.nodes if name.startswith("ap_")]
    world.node("table", "table", inputs={"ap": aps})
    world.done()
    return world


def of(world: World, name: str = "table") -> StageContext:
    return context(world.graph(), name, world.plan(), {})


def names(line: Lineage) -> list[str]:
    return [step.node for step in line.steps]


def test_a_line_leads_from_the_evaluation_to_the_candidates(several: World) -> None:
    ctx = of(several)
    lines = {ap.node: lineage_of_ap(ctx, ap) for ap in ctx.inputs["ap"]}
    assert {name: names(line) for name, line in lines.items()} == {
        "ap_found_one": ["one", "found_one", "ap_found_one"],
        "ap_twice": ["one", "twice", "ap_twice"],
        "ap_fused": ["fused", "ap_fused"],  # of several: the line ends there
        "ap_other": ["other", "ap_other"],
    }
    assert lines["ap_other"].detections is lines["ap_other"].candidates
    assert all(line.detector is line.ranker is None for line in lines.values())


def test_the_time_of_fused_detections_is_that_of_all_they_were_made_of(several: World) -> None:
    ctx = of(several)
    ms = {name: several.artifact(name).ms_per_row() for name in ("one", "other", "found_one", "found_other", "twice")}
    ms["fused"] = several.artifact("fused").ms_per_row()
    times = {ap.node: lineage_of_ap(ctx, ap).times for ap in ctx.inputs["ap"]}

    def total(*nodes: str) -> float:
        return sum(each for name in nodes if (each := ms[name]) is not None)

    assert times["ap_other"] == (pytest.approx(total("other")), None)
    assert times["ap_found_one"] == (pytest.approx(total("one")), pytest.approx(total("found_one")))
    assert times["ap_twice"] == (pytest.approx(total("one")), pytest.approx(total("found_one", "twice")))
    fused = pytest.approx(total("found_one", "found_other", "fused"))
    assert times["ap_fused"] == (pytest.approx(total("one", "other")), fused)


def test_what_is_not_followed_is_not_seen(several: World) -> None:
    """A stage that follows nothing has no lineage, and finds no source."""
    ctx = of(several, "ap_twice")
    assert ctx.lineage == {}
    assert names(lineage_of(ctx, ctx.one("detections"))) == ["twice"]


def test_a_detector_and_a_ranker_have_each_their_checkpoint(world: World) -> None:
    size = {"width": 96, "height": 96}
    tiny = {"steps": 2, "batch": 1, "crop": 64, "warmup": 1}
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 2, **size})
    world.node("detector", "train_detector", inputs={"samples": "faces"}, recipe={**tiny, "images": 2})
    found = {"samples": "faces", "checkpoint": "detector"}
    world.node("boxes", "predict", inputs=found, canvas="original", max_candidates=40)
    world.node("labelled", "label_candidates", inputs={"samples": "faces", "candidates": "boxes"})
    learnt_from = {"labelled": "labelled", "samples": "faces"}
    world.node(
        "ranker", "train_ranker", inputs=learnt_from, ranker="roi_mobilenet", recipe={**tiny, "num_candidates": 40}
    )
    wired = {"samples": "faces", "candidates": "boxes", "checkpoint": "ranker"}
    world.node("ranked", "rerank", inputs=wired)
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "ranked"})
    world.node("table", "table", inputs={"ap": "ap"})
    world.done()
    ctx = of(world)
    line = lineage_of_ap(ctx, ctx.one("ap"))
    assert names(line) == ["detector", "boxes", "ranker", "ranked", "ap"]
    assert (line.detector and line.detector.node, line.ranker and line.ranker.node) == ("detector", "ranker")


def test_a_ranker_of_a_union_is_no_detector_and_costs_every_dump_once(world: World) -> None:
    agreeing(world)
    world.node("ap", "evaluate", inputs={"samples": "images", "detections": "ranked"})
    world.node("table", "table", inputs={"ap": "ap"}, timed=True)
    world.done()
    ctx = of(world)
    line = lineage_of_ap(ctx, ctx.one("ap"))
    assert names(line) == ["ranked", "ranker", "ap"]  # of several dumps: the line ends there
    assert (line.detector, line.ranker and line.ranker.node) == (None, "ranker")
    assert sorted(each.node for each in line.found_by) == ["one", "other"]
    assert sorted(each.node for each in line.refined_by) == ["ranked", "voted"]
    (row,) = world.rows("table")
    assert row["detect_ms"] == pytest.approx(sum(world.artifact(name).ms_per_row() or 0 for name in ("one", "other")))


def test_weights_of_a_second_detection_are_a_detector_s(world: World) -> None:
    agreeing(world)
    world.node("detector", "train_detector", inputs={"samples": "images"}, recipe={"steps": 1, "crop": 64, "batch": 1})
    wired = {"samples": "images", "detections": "voted", "checkpoint": "detector"}
    world.node("again", "redetect", inputs=wired, score=2.0)
    world.node("ap", "evaluate", inputs={"samples": "images", "detections": "again"})
    world.node("table", "table", inputs={"ap": "ap"})
    world.done()
    ctx = of(world)
    line = lineage_of_ap(ctx, ctx.one("ap"))
    assert (line.detector and line.detector.node, line.ranker) == ("detector", None)


def test_boxes_read_as_text_have_no_detectors_time(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 2, "width": 96, "height": 64})
    for row in ("test/000000", "test/000001"):
        file = world.folder / f"text/{row}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{row}\n1\n10 10 20 20 0.5\n")
    world.node("others", "text_predictions", inputs={"samples": "faces"}, path=str(world.folder / "text"))
    world.node("found", "suppress", inputs={"candidates": "others"})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    world.node("table", "table", inputs={"ap": "ap"})
    world.done()
    ctx = of(world)
    line = lineage_of_ap(ctx, ctx.one("ap"))
    assert line.times == (None, pytest.approx(world.artifact("found").ms_per_row()))
    assert line.image_ms is None
    run = run_of(line, 96.0, ["others"])
    assert (run.detector, run.canvas, run.image_ms, run.edge) == ("published predictions", "", None, 0.0)
