from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.data.images import encode_png
from pipeline.evaluation.page import PAGE_BYTES
from tests.stages.world import World, drawn_image

DATA = {"kind": "synthetic", "images": 5, "width": 160, "height": 120}


@pytest.fixture
def reported(world: World) -> World:
    world.node("faces", "index", dataset=DATA)
    world.node("guesses", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2, "max_error_share": 0.5})
    world.node("found", "suppress", inputs={"candidates": "guesses"}, run={"max_error_share": 0.5})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    world.node(
        "page",
        "report",
        inputs={"samples": "faces", "ap": "ap"},
        title="A title of <mine>",
        gallery=3,
    )
    return world


def page(world: World) -> str:
    return Path(world.store.path("page.html")).read_text(encoding="utf-8")


def test_the_page_shows_the_run(reported: World) -> None:
    reported.done("guesses.fails_on=test/000001")
    text = page(reported)
    assert text == reported.rows("page", "guesses.fails_on=test/000001")[0]["content"]
    assert "A title of &lt;mine&gt;" in text
    for row in reported.rows("ap", "guesses.fails_on=test/000001"):
        assert f"{100 * row['ap']:.2f}" in text
        assert repr(row["ap"]) in text
    for words in (
        "Precision and recall",
        "IoU to match",
        "Lowest score",
        "guesses: test/000001: made to fail",
        "Score above",
        "0.02",
        "NMS IoU",
        "0.4",
    ):
        assert words in text
    for node in ("faces", "guesses", "found", "ap"):
        assert f">{node}<" in text
    assert len(re.findall("data:image/jpeg", text)) == 3
    assert re.search(r"\d+ of \d+ faces found", text)
    assert "http://" not in text.replace("http://www.w3.org/", "")


def test_the_page_comes_back_when_deleted(reported: World) -> None:
    reported.done()
    before = page(reported)
    Path(reported.store.path("page.html")).unlink()
    assert "page" in reported.done().reused
    assert page(reported) == before


def test_a_changed_gallery_draws_the_page_alone(reported: World) -> None:
    reported.done()
    outcome = reported.done("page.gallery=0")
    assert outcome.computed == ["page"]
    assert "data:image/jpeg" not in page(reported)


def test_two_runs_stand_side_by_side(reported: World) -> None:
    reported.node("others", "guess", inputs={"samples": "faces"}, jitter=0.05, run={"shard_rows": 2})
    reported.node("sharp", "suppress", inputs={"candidates": "others"})
    reported.node("better", "evaluate", inputs={"samples": "faces", "detections": "sharp"})
    reported.nodes["page"]["inputs"]["ap"] = ["ap", "better"]
    reported.done()
    text = page(reported)
    for node in ("ap", "better"):
        assert repr(reported.rows(node)[2]["ap"]) in text


def test_a_page_shows_something(reported: World) -> None:
    reported.nodes["page"]["inputs"].pop("ap")
    with pytest.raises(ValueError, match=r"page: inputs\.ap: missing; name evaluations, detections without labels"):
        reported.run()


def test_a_training_shows_its_losses_and_weights(reported: World, weights: str) -> None:
    tiny = {"steps": 3, "batch": 1, "images": 2, "crop": 64, "warmup": 1}
    reported.node("detector", "train_detector", inputs={"samples": "faces"}, recipe=tiny)
    reported.node(
        "guesses",
        "predict",
        inputs={"samples": "faces", "checkpoint": "detector"},
        canvas="original",
        max_candidates=50,
    )
    reported.done()
    text = page(reported)
    assert next(reported.artifact("detector").rows(["content_hash"]))["content_hash"] in text
    assert text.count("<svg") > 0
    reported.nodes["guesses"] = {
        "stage": "predict", "inputs": {"samples": "faces"}, "path": weights, "canvas": "original", "max_candidates": 50
    }  # fmt: skip
    reported.done()
    assert reported.artifact("guesses").manifest.fingerprint_fields["file_hashes"]["weights"] in page(reported)


def test_a_dataset_without_faces_has_a_page_too(reported: World) -> None:
    folder = reported.folder / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(drawn_image(0)))
    reported.node("faces", "index", dataset="image_folder", path=str(folder))
    reported.done()
    assert "faces found" not in page(reported)
    assert "a.png" in page(reported)
    assert "no face counts in easy, medium, hard: there is no AP" in page(reported)


def test_images_without_labels_show_what_was_found(reported: World) -> None:
    reported.nodes["page"]["inputs"] = {"samples": "faces", "detections": "found"}
    reported.done(selected=["faces", "guesses", "found", "page"])
    text = page(reported)
    assert len(re.findall("data:image/jpeg", text)) == 3
    assert "guesses" in text
    assert "Precision and recall" not in text


def test_sizes_ways_and_orders_have_their_place(reported: World, weights: str) -> None:
    for size in (96, 128):
        seen = {"samples": "faces", "candidates": f"seen_{size}"}
        reported.node(
            f"seen_{size}", "predict", inputs={"samples": "faces"}, path=weights, canvas=size, max_candidates=60
        )
        reported.node(f"found_{size}", "suppress", inputs={"candidates": f"seen_{size}"})
        reported.node(f"best_{size}", "oracle", inputs=seen)
        reported.node(f"all_{size}", "oracle", inputs=seen, iou=None)
        for name in (f"found_{size}", f"best_{size}"):
            reported.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    reported.node("order", "ranking_accuracy", inputs={"samples": "faces", "candidates": ["seen_96", "all_96"]})
    found = [f"{way}_{size}" for way in ("found", "best") for size in (96, 128)]
    reported.nodes["page"]["inputs"] = {
        "samples": "faces",
        "ap": [f"ap_{name}" for name in found],
        "accuracy": "order",
    }
    reported.done()
    text = page(reported).replace("<wbr>", "")
    for words in ("best order (oracle)", "as detected", "128 px: ", "Detect, ms", "Order of candidates", "all_96"):
        assert words in text
    for name in found:  # two runs on one dump are called after what was made of it
        assert f'scope="row">{name}<span' in text


def test_the_page_is_below_its_budget_and_an_oracle_is_no_result(reported: World) -> None:
    reported.node("best", "oracle", inputs={"samples": "faces", "candidates": "guesses"})
    reported.node("ap_best", "evaluate", inputs={"samples": "faces", "detections": "best"})
    reported.nodes["page"]["inputs"]["ap"] = ["ap", "ap_best"]
    reported.done()
    text = page(reported).replace("<wbr>", "")
    assert len(text.encode()) < PAGE_BYTES
    hard = {row["subset"]: row["ap"] for row in reported.rows("ap")}["hard"]
    limit = {row["subset"]: row["ap"] for row in reported.rows("ap_best")}["hard"]
    assert limit > hard
    assert "found reaches an AP of" in text and f"is at {100 * limit:.2f} on hard" in text
    assert '<tr role="row" class="ceiling">' in text
    marks = json.loads(re.search(r'id="gallery-data">(.*?)</script>', text)[1])  # type: ignore[index]
    assert [view["name"] for view in marks["views"]] == ["found", "best"]
    assert all(len(image["runs"]) == 2 and image["runs"][1]["boxes"] for image in marks["images"])


def test_what_led_to_the_page_is_on_it(reported: World) -> None:
    reported.done()
    text = page(reported).replace("<wbr>", "")
    for node in ("faces", "guesses", "found", "ap"):
        assert reported.artifact(node).manifest.fingerprint in text
    assert "<dt>jitter</dt><dd>0.15</dd>" in text
    assert re.search(r"<dt>versions</dt><dd>[^<]*numpy \d", text)
