from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.fingerprint import difference
from pipeline.engine.manifest import Manifest, stored_manifests
from pipeline.engine.storage import Store
from stages.stored_evaluation import StoredBenchmark, StoredEvaluation, StoredManifests, find_result
from tests.stages.drawn_benchmark import write_benchmark
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 5, "width": 160, "height": 120}


@pytest.fixture
def evaluated(world: World) -> World:
    """Guesses about five drawn images, suppressed and evaluated."""
    world.node("faces", "index", dataset=DATA)
    world.node("boxes", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2})
    world.node("found", "suppress", inputs={"candidates": "boxes"}, score=0.2)
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    return world


def stored(path: str) -> StoredEvaluation:
    found = find_result(path)
    assert isinstance(found, StoredEvaluation)
    return found


def test_a_stored_evaluation_is_computed_again_to_the_last_digit(evaluated: World) -> None:
    evaluated.done()
    ap = {row["subset"]: row["ap"] for row in evaluated.rows("ap")}
    for path in (evaluated.store.url, f"{evaluated.store.url}/ap", f"{evaluated.store.url}/ap/"):
        assert stored(path).inputs().evaluate().ap == ap
    assert 0.05 < ap["hard"] < 0.95


def test_boxes_are_truncated_and_unreadable_images_left_out_as_the_stage_did(evaluated: World) -> None:
    evaluated.nodes["ap"]["coordinates"] = "whole"
    evaluated.nodes["boxes"]["run"]["max_error_share"] = 0.5
    evaluated.done(selected=["faces"])
    broken = evaluated.rows("faces")[1]["image_id"]
    evaluated.nodes["boxes"]["fails_on"] = broken
    evaluated.done()
    inputs = stored(evaluated.store.url).inputs()
    ap = {row["subset"]: row["ap"] for row in evaluated.rows("ap")}
    assert inputs.evaluate().ap == ap
    assert inputs.protocol == {"source": "a finished run", "coordinates": "whole", "images_left_out": 1}
    assert broken not in inputs.truth.image_ids


def test_the_config_names_every_step_and_differs_where_the_runs_do(evaluated: World) -> None:
    evaluated.done()
    before = stored(evaluated.store.url).config()
    assert before["detections"]["candidates"]["params"]["jitter"] == 0.15
    assert before["detections"]["candidates"]["stage"] == "guess"
    assert before["samples"]["params"]["dataset"]["images"] == 5
    evaluated.nodes["boxes"]["jitter"] = 0.1
    evaluated.nodes["found"]["score"] = 0.25
    evaluated.done()
    after = stored(evaluated.store.url).config()
    assert difference(before, after) == [
        ("detections.candidates.params.jitter", 0.15, 0.1),
        ("detections.params.score", 0.2, 0.25),
    ]


def test_a_store_with_several_evaluations_names_them(evaluated: World) -> None:
    evaluated.node("ap_raw", "evaluate", inputs={"samples": "faces", "detections": "boxes"})
    evaluated.done()
    url = evaluated.store.url
    with pytest.raises(ValueError, match=f"{url} has 2 evaluations: name one of {url}/ap, {url}/ap_raw"):
        find_result(url)
    assert "candidates" not in stored(f"{url}/ap_raw").config()["detections"]


def test_what_is_no_evaluation_is_none(evaluated: World, tmp_path: Path) -> None:
    evaluated.done(selected=["faces", "boxes"])
    (tmp_path / "text.tar.gz").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for path in (evaluated.store.url, f"{evaluated.store.url}/boxes", "text.tar.gz", "empty", "gone"):
        assert find_result(str(tmp_path / path)) is None


def test_inputs_that_are_gone_are_named(evaluated: World) -> None:
    evaluated.done()
    manifest = evaluated.artifact("found").manifest
    for file in (Path(evaluated.store.url) / manifest.folder).glob("manifest-*"):
        file.unlink()
    with pytest.raises(ValueError, match="the detections that ap was made of are no longer stored"):
        stored(evaluated.store.url).inputs()


def test_evaluations_come_before_results_of_benchmarks(evaluated: World, tmp_path: Path) -> None:
    labels = write_benchmark(tmp_path / "set")
    evaluated.node("faces", "index", dataset="fddb", path=str(labels))
    inputs = {"samples": "faces", "detections": "found"}
    evaluated.node("figures", "benchmark", inputs=inputs, benchmark="pascal", path=str(labels / "faces.csv"))
    evaluated.done(selected=["faces", "boxes", "found", "figures"])
    assert isinstance(find_result(evaluated.store.url), StoredBenchmark)
    evaluated.done()
    assert isinstance(find_result(evaluated.store.url), StoredEvaluation)
    assert isinstance(find_result(f"{evaluated.store.url}/figures"), StoredBenchmark)


def test_a_store_is_read_once_for_two_runs_in_it(evaluated: World, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated.node("ap_raw", "evaluate", inputs={"samples": "faces", "detections": "boxes"})
    evaluated.done()
    nodes = list[str]()

    def counted(store: Store, node: str) -> list[Manifest]:
        nodes.append(node)
        return stored_manifests(store, node)

    monkeypatch.setattr("stages.stored_evaluation.stored_manifests", counted)
    opened = dict[str, StoredManifests]()
    for name in ("ap", "ap_raw"):
        found = find_result(f"{evaluated.store.url}/{name}", opened)
        assert isinstance(found, StoredEvaluation)
        assert found.config()["stage"] == "evaluate" and found.inputs().truth.image_ids
    below = [node for node in nodes if node in evaluated.nodes]
    assert sorted(below) == sorted(evaluated.nodes)
