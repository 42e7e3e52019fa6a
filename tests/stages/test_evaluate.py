from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Sample
from pipeline.engine.stage import Resources, StageContext, run_serially
from pipeline.evaluation.false_alarms import FalseAlarms
from pipeline.evaluation.wider_result import WiderResult, evaluate
from stages.evaluate import Evaluate
from tests.stages.labelled_set import labelled_set
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 7, "width": 160, "height": 120}


@pytest.fixture
def evaluated(world: World) -> World:
    """Guesses about seven drawn images, in shards of two."""
    world.node("faces", "index", dataset=DATA)
    world.node("found", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2, "max_error_share": 0.5})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    return world


def at_once(world: World, whole: bool = False) -> WiderResult:
    """The evaluation of everything in one call, as the stand-alone command does it."""
    truth = ground_truth_of(Sample.from_row(row) for row in world.rows("faces"))
    found = list(world.by_id("found").values())
    if whole:
        found = [replace(each, boxes=np.trunc(each.boxes)) for each in found]
    return evaluate(truth, PredictionSet.of(found))


def assert_equal_bits(rows: list[dict], expected: WiderResult) -> None:
    assert [row["subset"] for row in rows] == ["easy", "medium", "hard"]
    for row in rows:
        counts = expected.counts[row["subset"]]
        assert row["ap"].hex() == expected.ap[row["subset"]].hex()
        assert (row["faces"], row["images"], row["boxes"]) == (counts.faces, counts.images, counts.boxes)
        assert row["proposals"] == counts.proposals.tolist()
        assert row["matches"] == counts.matches.tolist()
        assert (row["score_min"], row["score_max"]) == (expected.protocol["score_min"], expected.protocol["score_max"])


def test_shards_add_up_to_the_bits_of_one_evaluation(evaluated: World) -> None:
    evaluated.done()
    assert len(evaluated.artifact("found").manifest.shards) == 4
    rows = evaluated.rows("ap")
    assert_equal_bits(rows, at_once(evaluated))
    assert all(0.05 < row["ap"] < 0.95 for row in rows)
    assert rows[0]["faces"] < rows[2]["faces"]
    protocol = json.loads(rows[0]["protocol"])
    assert (protocol["iou"], protocol["coordinates"], protocol["images"]) == (0.5, "float", 7)


def test_the_cut_into_shards_does_not_matter(evaluated: World) -> None:
    evaluated.done()
    rows = evaluated.rows("ap")
    evaluated.nodes["found"]["run"]["shard_rows"] = 100
    evaluated.done(force=frozenset({"found", "ap"}))
    assert len(evaluated.artifact("found").manifest.shards) == 1
    assert evaluated.rows("ap") == rows


def test_each_shard_gets_the_faces_of_its_own_images_alone(evaluated: World) -> None:
    evaluated.done()
    tasks: list[Any] = []

    def fan_out(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
        tasks.append(list(arguments))
        return run_serially(function, arguments)

    inputs = {"samples": (evaluated.artifact("faces"),), "detections": (evaluated.artifact("found"),)}
    rows = list(Evaluate().run(StageContext("ap", None, Resources(), inputs, fan_out=fan_out)))
    assert [row["ap"] for row in rows] == [row["ap"] for row in evaluated.rows("ap")]
    assert [len(truth.image_ids) for _, truth in tasks[-1]] == [2, 2, 2, 1]


def test_whole_pixels_are_another_evaluation(evaluated: World) -> None:
    evaluated.done()
    evaluated.done("ap.coordinates=whole")
    whole = evaluated.rows("ap", "ap.coordinates=whole")
    assert_equal_bits(whole, at_once(evaluated, whole=True))
    assert whole[2]["matches"] != evaluated.rows("ap")[2]["matches"]


def test_faces_of_images_without_detections_count(evaluated: World) -> None:
    evaluated.node("few", "index", dataset={**DATA, "images": 3})
    evaluated.nodes["found"]["inputs"] = {"samples": "few"}
    evaluated.done()
    rows = evaluated.rows("ap")
    assert_equal_bits(rows, at_once(evaluated))
    assert len(evaluated.rows("found")) == 3
    assert rows[2]["images"] == 7
    assert rows[2]["faces"] == sum(len(row["x1"]) for row in evaluated.rows("faces"))


def without(evaluated: World, image_id: str) -> WiderResult:
    """The evaluation of all images but one."""
    truth = ground_truth_of(Sample.from_row(row) for row in evaluated.rows("faces"))
    found = [each for each in evaluated.by_id("found").values() if each.image_id != image_id]
    return evaluate(truth.restrict(set(truth.image_ids) - {image_id}), PredictionSet.of(found))


def test_an_image_that_cannot_be_decoded_is_left_out_and_counted(evaluated: World) -> None:
    evaluated.done()
    sets = ("found.fails_on=test/000002",)
    outcome = evaluated.done(*sets)
    rows = evaluated.rows("ap", *sets)
    assert_equal_bits(rows, without(evaluated, "test/000002"))
    assert rows[2]["faces"] < evaluated.rows("ap")[2]["faces"]
    assert json.loads(rows[0]["protocol"])["images_left_out"] == 1
    advice = "(--set ap.unreadable=missed counts their faces as missed)"
    assert outcome.notes == [
        "found: 1 of 7 rows are errors: test/000002: made to fail",
        f"ap: 1 images that cannot be read are left out of AP {advice}",
    ]
    assert evaluated.done(*sets).notes == outcome.notes  # a run that has nothing to do says it too
    assert evaluated.done().notes == []


def test_its_faces_are_missed_by_choice(evaluated: World) -> None:
    evaluated.done()
    sets = ("found.fails_on=test/000002", "ap.unreadable=missed")
    outcome = evaluated.done(*sets)
    rows, missed = evaluated.rows("ap"), evaluated.rows("ap", *sets)
    assert [row["faces"] for row in missed] == [row["faces"] for row in rows]
    assert missed[2]["boxes"] == rows[2]["boxes"] - len(evaluated.by_id("found")["test/000002"].boxes)
    assert missed[2]["ap"] != rows[2]["ap"]
    assert json.loads(missed[0]["protocol"])["images_unreadable"] == 1
    assert outcome.notes[-1] == "ap: 1 images that cannot be read count as missed faces"


def test_detections_of_another_dataset_are_refused(evaluated: World) -> None:
    evaluated.node("others", "index", dataset={**DATA, "split": "train"})
    evaluated.nodes["found"]["inputs"] = {"samples": "others"}
    outcome = evaluated.run()
    assert outcome.failed.keys() == {"ap"}
    assert "found: 7 of 7 images are not in faces: train/000000, train/000001" in outcome.failed["ap"]
    assert outcome.computed == ["faces", "others", "found"]


def test_nothing_found_is_an_ap_of_zero(evaluated: World) -> None:
    sets = ("found.fails_on=test/000000", "faces.dataset.images=1", "found.run.max_error_share=1")
    assert "none of 1 images could be read: nothing to evaluate" in evaluated.run(*sets).failed["ap"]
    sets = (*sets, "ap.unreadable=missed")
    evaluated.done(*sets)
    assert [row["ap"] for row in evaluated.rows("ap", *sets)] == [0, 0, 0]


def test_false_alarms_are_counted_where_asked_for_and_change_nothing_else(evaluated: World) -> None:
    evaluated.done()
    plain = evaluated.rows("ap")
    assert all((row["alarm_score"], row["alarms"], row["found"]) == (None, None, None) for row in plain)
    evaluated.done("ap.false_alarms=0.5")
    rows = evaluated.rows("ap", "ap.false_alarms=0.5")
    for row, before in zip(rows, plain, strict=True):
        assert {**row, "alarm_score": None, "alarms": None, "found": None} == before
    truth = ground_truth_of(Sample.from_row(row) for row in evaluated.rows("faces"))
    counts = FalseAlarms.count(PredictionSet.of(evaluated.by_id("found").values()), truth, 0.5)
    assert 0 < counts.alarms < rows[0]["boxes"]
    assert [(row["alarm_score"], row["alarms"], row["found"]) for row in rows] == [
        (0.5, counts.alarms, counts.found[level]) for level in ("easy", "medium", "hard")
    ]
    assert 0 < rows[2]["found"] <= rows[2]["faces"]


@pytest.mark.parametrize(
    ("heights", "fields", "empty"),
    [
        ([12, 60], {}, ""),
        ([12, 20], {}, "easy, medium"),
        ([60], {"iscrowd": "1"}, "easy, medium, hard"),
        ([], {}, "easy, medium, hard"),
        ([5], {}, "easy, medium, hard"),
    ],
)
def test_an_ap_over_no_faces_has_a_word(
    evaluated: World, capfd: pytest.CaptureFixture[str], heights: list[int], fields: dict[str, Any], empty: str
) -> None:
    evaluated.node(
        "faces", "index", dataset="coco_json", path=labelled_set(evaluated.folder / "set", heights, **fields)
    )
    evaluated.done()
    said = capfd.readouterr().err
    assert [row["subset"] for row in evaluated.rows("ap") if not row["faces"]] == [
        each for each in empty.split(", ") if each
    ]
    assert ("ap: no face counts in" in said) == bool(empty)
    assert f"ap: no face counts in {empty}: there is no AP" in said or not empty
