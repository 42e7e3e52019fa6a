from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.records import Sample
from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from pipeline.training.analysis.face_scales import labelled_scales, sampled_scales
from stages.graph import STAGES
from tests.stages.world import World, drawn_image
from tests.training.augment.policies import policy

CONFIG = Path(__file__).resolve().parents[2] / "configs/statistics.yaml"
# Anchors of three levels on a small image: seconds less than MogFace's six at 640.
QUICK = {"detector": "retinaface_mobilenet", "assigner": "max_iou", "side": 128}


@pytest.fixture
def counted(world: World) -> World:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 12, "width": 160, "height": 120})
    world.node("scales", "statistics", inputs={"samples": "faces"}, **QUICK)
    return world


def part(world: World, part: str, name: str, *sets: str) -> list[dict]:
    return [row for row in world.rows("scales", *sets) if (row["part"], row["name"]) == (part, name)]


def samples(world: World) -> list[Sample]:
    return [Sample.from_row(row) for row in world.rows("faces")]


def test_rows_hold_what_was_counted(counted: World) -> None:
    counted.done("scales.epochs=3")
    rows = counted.rows("scales", "scales.epochs=3")
    assert {row["part"] for row in rows} == {"scales", "levels", "targets"}
    for name, faces in (
        ("original", len(labelled_scales(samples(counted)))),
        *(
            (each, len(sampled_scales(samples(counted), policy(each, side=128), 0, 3).scales))
            for each in ("das", "sse")
        ),
    ):
        found = part(counted, "scales", name, "scales.epochs=3")
        assert sum(row["count"] for row in found) == faces > 20
        assert sum(row["share"] for row in found) == pytest.approx(1)
        assert [row["low"] for row in found[1:]] == [row["high"] for row in found[:-1]]
        assert found[0]["low"] is found[-1]["high"] is None
    aimed = part(counted, "targets", "sse", "scales.epochs=3")
    assert [row["level"] for row in aimed] == [2, 3, 4, 5, 6, 7]
    assert sum(row["count"] for row in aimed) == 36
    assert [row["expected"] for row in aimed] == pytest.approx([0.16, 0.16, 0.16, 0.2, 0.16, 0.16])
    assert {row["expected"] for row in part(counted, "targets", "das", "scales.epochs=3")} == {None}


def test_levels_are_the_detectors(counted: World) -> None:
    counted.done("scales.side=512")
    for reading in ("best", "most", "any"):
        rows = part(counted, "levels", reading, "scales.side=512")
        assert [row["level"] for row in rows] == [3, 4, 5]
        assert rows[0]["low"] == 8
        assert all(0 < row["share"] <= 1 and row["count"] > 0 for row in rows)
    borders = [row["high"] for row in part(counted, "levels", "best", "scales.side=512")]
    assert borders == pytest.approx([45, 181, 512], rel=0.1)  # between anchors of 32 and 64, of 128 and 256; the end
    assert part(counted, "levels", "paper", "scales.side=512") == []  # of six levels


def test_a_level_that_no_face_is_for_has_no_range(counted: World) -> None:
    counted.done("scales.side=128")
    last = part(counted, "levels", "any", "scales.side=128")[-1]
    assert (last["level"], last["low"], last["high"], last["count"], last["share"]) == (5, None, None, 0, 0)


@pytest.mark.parametrize("detector", ["hambox_resnet50", "mogface_e_official"])
def test_deep_networks_cost_nothing_and_have_the_published_levels(counted: World, detector: str) -> None:
    sets = (f"scales.detector={detector}", "scales.assigner=mogface", "scales.policies=[]")
    counted.done(*sets)
    assert [row["low"] for row in part(counted, "levels", "paper", *sets)] == [8.4, 20.7, 48.2, 106.2, 212.4, 420.8]
    assert part(counted, "scales", "das", *sets) == []
    assert part(counted, "scales", "original", *sets)


def test_same_seed_same_rows_and_another_seed_others(counted: World) -> None:
    counted.done()
    rows = counted.rows("scales")
    counted.done(force=frozenset({"scales"}))
    assert counted.rows("scales") == rows
    assert counted.done("scales.seed=1").computed == ["scales"]
    assert counted.rows("scales", "scales.seed=1") != rows
    assert part(counted, "scales", "original", "scales.seed=1") == part(counted, "scales", "original")


def test_a_set_without_faces_is_told(counted: World) -> None:
    folder = counted.folder / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(drawn_image(0)))
    counted.node("faces", "index", dataset="image_folder", path=str(folder))
    outcome = counted.run()
    assert "faces: no labelled face in 1 readable images" in str(outcome.failed["scales"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("scales.policies=[das, ssd]", "no augmentation is called 'ssd'"),
        ("scales.policies=[das, das]", "named twice"),
        ("scales.detector=yolo", "no detector is called 'yolo'"),
        ("scales.assigner=ota", r"no .* needs boxes alone is called 'ota' \(choices: max_iou, s3fd, mogface, atss\)"),
        ("scales.epochs=0", "greater than or equal to 1"),
    ],
)
def test_mistakes_are_seen_before_anything_runs(counted: World, change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counted.graph(change)


def test_the_config_leads_to_a_page_of_its_own(tmp_path: Path) -> None:
    sets = [
        f"store={tmp_path}",
        "faces.dataset.images=40",
        *(f"scales.{name}={value}" for name, value in QUICK.items()),
    ]
    loaded = load_config(CONFIG, STAGES, sets)
    outcome = Runner(loaded.graph, Store(str(tmp_path)), Options(frozenset(loaded.graph.order)), LocalExecutor).run()
    assert outcome.computed == ["faces", "scales", "report"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in (
        "As labelled",
        "After das",
        "After sse",
        "best overlap",
        "p3",
        "40 sizes",
        "points from the closed form",
    ):
        assert words in text
    assert "Average precision" not in text
    assert text.count('<svg class="plot"') == 5


def test_a_page_of_runs_shows_the_statistics_too(counted: World) -> None:
    counted.node("guesses", "guess", inputs={"samples": "faces"})
    counted.node("found", "suppress", inputs={"candidates": "guesses"})
    counted.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    wired = {"samples": "faces", "ap": "ap"}
    counted.node("page", "report", inputs=wired, gallery=1)
    counted.done()
    before = counted.identity("page")
    assert "As labelled" not in Path(counted.store.path("page.html")).read_text(encoding="utf-8")
    counted.nodes["page"]["inputs"] = {**wired, "statistics": "scales"}
    assert counted.done().computed == ["page"]
    assert counted.identity("page") != before
    text = Path(counted.store.path("page.html")).read_text(encoding="utf-8")
    assert "As labelled" in text and "Average precision" in text
    assert re.search(r">scales<", text)  # and its time


def test_a_page_of_nothing_is_refused(counted: World) -> None:
    counted.node("page", "report", inputs={"samples": "faces"})
    with pytest.raises(ValueError, match="page: inputs.ap: missing; name evaluations"):
        counted.run()


def test_a_port_that_is_not_wired_is_no_part_of_a_page(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 2})
    world.node("guesses", "guess", inputs={"samples": "faces"})
    world.node("found", "suppress", inputs={"candidates": "guesses"})
    world.node("page", "report", inputs={"samples": "faces", "detections": "found"}, title="t")
    fingerprint_fields = world.plan()["page"].fingerprint_fields
    assert fingerprint_fields is not None
    assert set(fingerprint_fields["inputs"]) == set(fingerprint_fields["names"]) == {"samples", "detections"}


@pytest.mark.wider
@pytest.mark.slow
def test_real_faces(counted: World, shared: Path) -> None:
    dataset = {"kind": "wider_face", "split": "val", "missing": "skip"}
    counted.node("faces", "index", dataset=dataset, path=str(shared / "data/wider_images"))
    counted.done("scales.policies=[sse]", "scales.epochs=4", "scales.side=640")
    rows = part(counted, "targets", "sse", "scales.policies=[sse]", "scales.epochs=4", "scales.side=640")
    assert sum(row["count"] for row in rows) == 4 * 493  # two images have no face with an area
    np.testing.assert_allclose([row["share"] for row in rows], [row["expected"] for row in rows], atol=0.03)
