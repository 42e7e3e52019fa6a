"""Images that cannot be used, and names that cannot be stored: one decision for a run, printed at its end, and never its end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import encode_jpeg
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.dump import read_dump
from pipeline.data.records import Sample
from pipeline.evaluation.wider_result import evaluate
from tests.stages.odd_images import broken_files
from tests.stages.world import World, drawn_image

BAD = {"6.jpg", "7.jpg"}


@pytest.fixture
def eight(world: World, weights: str) -> World:
    """Eight labelled photographs: one is text under an image's name, one is damaged behind its header."""
    folder = world.folder / "photos"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(drawn_image(number)))
    (folder / "6.jpg").write_text("this is plain text")
    data = bytearray((folder / "7.jpg").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = b"\xff\xd8" * 150
    (folder / "7.jpg").write_bytes(data)
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(8)]
    faces = [{"image_id": number, "bbox": [10 + number, 8, 40, 50]} for number in range(8)]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": faces}))
    seen = {"samples": "faces"}
    world.node("faces", "index", dataset="coco_json", path=str(folder))
    world.node(
        "boxes", "predict", inputs=seen, path=weights, canvas="original", max_candidates=50, run={"shard_rows": 3}
    )
    world.node("found", "suppress", inputs={"candidates": "boxes"})
    world.node("best", "oracle", inputs={**seen, "candidates": "boxes"}, iou=None)
    world.node("order", "ranking_accuracy", inputs={**seen, "candidates": ["boxes", "best"]})
    for name in ("found", "best"):
        world.node(f"ap_{name}", "evaluate", inputs={**seen, "detections": name})
    world.node("page", "report", inputs={**seen, "ap": ["ap_found", "ap_best"], "accuracy": ["order"]}, gallery=8)
    world.node("result", "table", inputs={"ap": ["ap_found", "ap_best"]})
    return world


def test_a_run_goes_to_its_end_and_every_stage_says_what_was_left_out(wider8k, eight: World) -> None:
    answer = wider8k("run", "--local", "-c", eight.config)
    assert answer.code == 0, answer.out + answer.err
    lines = answer.out.splitlines()
    told = [line for line in lines if line.startswith(tuple(f"{name}: " for name in eight.nodes)) and "/" not in line]
    assert told[0].startswith("faces: 1 of 8 rows are errors: 6.jpg: not an image: 18 bytes")
    assert told[1].startswith("boxes: 1 of 8 rows are errors: 7.jpg: ImageError: damaged JPEG")
    left_out = (
        "2 images that cannot be read are left out of AP (--set {}.unreadable=missed counts their faces as missed)"
    )
    assert set(told[2:]) == {
        "order: 2 images with an error in one of the inputs are left out",
        *(f"{name}: {left_out.format(name)}" for name in ("ap_found", "ap_best")),
    }
    assert "images left out" in eight.store.read("result.md").decode()
    assert [row["left_out"] for row in eight.rows("result")] == [2, 2]
    assert [row["left_out"] for row in eight.rows("order")] == [2, 2]
    assert "| 6 | 2 |" in eight.store.read("order.md").decode()
    page = eight.store.read("page.html").decode()
    assert "Unreadable images, left out" in page
    assert "2 found" in page and page.count("6.jpg: not an image") == 1  # once, and not for every output it is in
    again = wider8k("run", "--local", "-c", eight.config).out.splitlines()
    assert again[-1].startswith("done: 0 computed, 9 reused")
    assert [line for line in again if line in told] == told


def test_an_image_that_a_second_try_reads_is_not_unreadable_in_its_first_shard(
    eight: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, sets, refused = ImageReader.read, ("boxes.run.max_error_share=1",), ["0.jpg"]

    def refuse_some(reader: ImageReader, path: str) -> bytes:
        if path in refused:
            raise PermissionError(f"{path}: for the moment")  # as a mount may, and root is never refused here
        return read(reader, path)

    monkeypatch.setattr(ImageReader, "read", refuse_some)
    eight.done(*sets, selected=["faces", "boxes"])
    dump = Path(eight.store.url) / "boxes"
    assert read_dump(dump).unreadable == {"0.jpg", "6.jpg", "7.jpg"}
    refused.clear()
    eight.done(*sets, selected=["boxes"], retry_errors=True)
    assert len(list(dump.rglob("*.parquet"))) > 3, "the shard with its error is still there"
    assert read_dump(dump).unreadable == {"6.jpg", "7.jpg"}


def test_ap_is_that_of_the_images_that_could_be_read(eight: World) -> None:
    eight.done()
    truth = ground_truth_of(Sample.from_row(row) for row in eight.rows("faces"))
    found = list(eight.by_id("found").values())
    six = evaluate(truth.restrict(set(truth.image_ids) - BAD), PredictionSet.of(found))
    assert [row["ap"] for row in eight.rows("ap_found")] == list(six.ap.values())
    assert eight.rows("ap_found")[2]["faces"] == 6
    eight.done("ap_found.unreadable=missed")
    all_eight = evaluate(truth, PredictionSet.of(found))
    missed = eight.rows("ap_found", "ap_found.unreadable=missed")
    assert [row["ap"] for row in missed] == list(all_eight.ap.values())
    assert missed[2]["faces"] == 8
    assert all_eight.ap["hard"] < six.ap["hard"]


def test_one_decision_holds_for_a_whole_run(wider8k, eight: World) -> None:
    strict = ("run", "--local", "-c", eight.config, "--set", "max_error_share=0")
    # A single error never stops a run: the index goes on, the detector adds the second one.
    refused = wider8k(*strict)
    assert refused.code == 1
    (said,) = [line for line in refused.out.splitlines() if line.startswith("failed: ")]
    assert "boxes: 2 of 8 rows are errors (25.0%), allowed are 0.0%: 7.jpg: ImageError" in said
    assert "Go on without them with --set max_error_share=0.25, or fix the cause" in said
    assert wider8k("run", "--local", "-c", eight.config, "--set", "max_error_share=0.25").code == 0


def test_more_bad_images_than_good_ones_end_a_run_where_they_are_found(wider8k, eight: World) -> None:
    for number in range(1, 6):
        (eight.folder / "photos" / f"{number}.jpg").write_bytes(b"")
    refused = wider8k("run", "--local", "-c", eight.config)
    assert "failed: faces: 6 of 8 rows are errors (75.0%), allowed are 50.0%: " in refused.out
    assert "--set max_error_share=0.75" in refused.out
    # Allowed for the index, its errors do not count again; the detector adds one, and decides about all of them.
    again = wider8k("run", "--local", "-c", eight.config, "--set", "faces.run.max_error_share=0.8")
    assert "failed: boxes: 7 of 8 rows are errors (87.5%), allowed are 50.0%: 7.jpg" in again.out
    assert wider8k("run", "--local", "-c", eight.config, "--set", "max_error_share=0.88").code == 0


def test_a_node_with_a_share_of_its_own_is_named(eight: World) -> None:
    eight.nodes["boxes"]["run"]["max_error_share"] = 0.1
    failed = eight.run("max_error_share=0.9").failed
    assert "--set boxes.run.max_error_share=0.25" in failed["boxes"]


@pytest.mark.parametrize("value", ["2", "-0.1", "many"])
def test_a_share_is_one(wider8k, eight: World, value: str) -> None:
    answer = wider8k("plan", "-c", eight.config, "--set", f"max_error_share={value}")
    assert answer.code == 2
    assert answer.err.count("max_error_share: Input should be") == 1


def test_an_image_that_kills_its_worker_was_read_and_is_missed(eight: World) -> None:
    """Leaving it out would flatter a detector that runs out of memory on what is hard."""
    eight.done()
    planned = eight.plan()["boxes"]
    (item,) = [each for each in planned.items or () if each.key == "3.jpg"]
    died = planned.node.stage.error_row(item, "its worker process died 3 times on it")  # type: ignore[attr-defined]
    assert (died["width"], died["height"], died["valid"]) == (96, 64, 0)


def test_names_that_are_no_utf8_are_rows_with_an_error(wider8k, world: World, weights: str) -> None:
    folder = world.folder / "photos"
    (folder / "caf\udce9").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b\udcff.jpg", "caf\udce9/c.jpg", "zürich 雪.jpg")):
        (folder / name).write_bytes(encode_jpeg(drawn_image(number)))
    world.node("faces", "index", dataset="image_folder", path=str(folder))
    world.node("boxes", "predict", inputs={"samples": "faces"}, path=weights, canvas="original", max_candidates=50)
    answer = wider8k("run", "--local", "-c", world.config)
    assert answer.code == 0, answer.err
    bad = r"b\xff.jpg: the file's name is no UTF-8: rename it; caf\xe9/c.jpg: the file's name is no UTF-8: rename it"
    assert f"faces: 2 of 4 rows are errors: {bad}" in answer.out
    assert [row["image_id"] for row in world.rows("boxes") if row["error"] is None] == ["a.jpg", "zürich 雪.jpg"]


def test_a_name_in_labels_that_is_no_utf8_keeps_its_faces(world: World) -> None:
    folder = world.folder / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.jpg", "b\udce9.jpg")):
        (folder / name).write_bytes(encode_jpeg(drawn_image(number)))
    images = [{"id": number, "file_name": name} for number, name in enumerate(sorted(os.listdir(folder)))]
    faces = [{"image_id": number, "bbox": [10, 8, 40, 50]} for number in range(2)]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": faces}))
    world.node("faces", "index", dataset="coco_json", path=str(folder))
    world.done()
    samples = [Sample.from_row(row) for row in world.rows("faces")]
    assert [(each.image_id, len(each.boxes), bool(each.error)) for each in samples] == [
        ("a.jpg", 1, False),
        (r"b\xe9.jpg", 1, True),
    ]
    np.testing.assert_equal(samples[1].boxes, [[10, 8, 50, 58]])


def test_links_in_a_circle_are_passed_over(world: World, weights: str) -> None:
    folder = world.folder / "photos"
    for name in ("deep", "other"):
        (folder / name).mkdir(parents=True)
        (folder / name / "b.jpg").write_bytes(encode_jpeg(drawn_image(1)))
    (folder / "a.jpg").write_bytes(encode_jpeg(drawn_image(0)))
    (folder / "here").symlink_to(folder)
    (folder / "deep" / "up").symlink_to("..")
    (folder / "deep" / "over").symlink_to("../other")
    (folder / "other" / "back").symlink_to("../deep")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    (folder / "itself").symlink_to("itself")
    broken = broken_files(folder)
    world.node("faces", "index", dataset="image_folder", path=str(folder))
    world.node("boxes", "predict", inputs={"samples": "faces"}, path=weights, canvas="original", max_candidates=50)
    assert not world.run("max_error_share=0.9").failed
    rows = {row["image_id"]: row["error"] for row in world.rows("faces")}
    assert {name for name, error in rows.items() if error is None} == {
        *("a.jpg", "deep/b.jpg", "other/b.jpg"),
        *("deep/over/b.jpg", "other/back/b.jpg"),  # a folder under two names is in there twice, as it was given
    }
    assert "Too many levels of symbolic links" in (rows["itself.jpg"] or "")
    assert {name for name, error in rows.items() if error} == {"itself.jpg", *broken}
    # What the index could not open is an error of that image for the detector too, and not the machine's.
    assert {row["image_id"] for row in world.rows("boxes") if row["error"]} == {"itself.jpg", *broken}


@pytest.mark.parametrize("name", ["photo\udce9.jpg", "none\udce9.jpg"])
def test_detect_says_which_file_it_means(wider8k, world: World, weights: str, name: str) -> None:
    path = world.folder / name
    if name.startswith("photo"):
        path.write_bytes(encode_jpeg(drawn_image(0)))
    answer = wider8k("detect", path, "--weights", weights, "--out", world.folder / "drawn")
    shown = name.replace("\udce9", r"\xe9")
    assert (
        shown in Path(answer.out + answer.err).as_posix()
        or shown.replace(r"\xe9", r"\udce9") in answer.out + answer.err
    )
