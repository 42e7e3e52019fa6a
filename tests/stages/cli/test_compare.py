from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.cli.compare import short_names
from tests.evaluation.six_photographs import write_photographs
from tests.stages.world import World


@pytest.fixture
def runs(world: World) -> World:
    """Two evaluations of one store: guesses, and better ones."""
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 9, "width": 160, "height": 120})
    for name, jitter in (("wide", 0.2), ("close", 0.05)):
        world.node(f"found_{name}", "guess", inputs={"samples": "faces"}, jitter=jitter)
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": f"found_{name}"})
    world.done()
    return world


def test_two_finished_runs(wider8k, runs: World, tmp_path: Path) -> None:
    url = runs.store.url
    files = ("--json", tmp_path / "c.json", "--report", tmp_path / "c.html", "--resamples", "200", "--top", "2")
    answer = wider8k("compare", f"{url}/ap_wide", f"{url}/ap_close", *files)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("ap_close against ap_wide on 9 images: easy +")
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["config"] == [{"field": "detections.params.jitter", "a": 0.2, "b": 0.05}]
    aps = [{row["subset"]: row["ap"] for row in runs.rows(node)} for node in ("ap_wide", "ap_close")]
    for level in ("easy", "medium", "hard"):
        assert [content["ap"][level][run]["value"] for run in "ab"] == [each[level] for each in aps]
        assert content["ap"][level]["difference"]["low"] > 0
        assert content["ap"][level]["difference"]["p_value"] == pytest.approx(2 / 201)
    assert (content["resamples"], len(content["gained"])) == (200, 2)
    assert content["gained"][0]["image"] in answer.out
    assert "detections.params.jitter      0.2      0.05" in answer.out
    page = (tmp_path / "c.html").read_text()
    assert "detections.params.jitter" in page and "ap_close" in page
    assert f"wider8k compare {url}/ap_wide {url}/ap_close" in page
    again = wider8k("compare", f"{url}/ap_wide", f"{url}/ap_close", *files)
    assert again.out == answer.out


def test_mistakes_are_named(wider8k, runs: World, tmp_path: Path) -> None:
    url = runs.store.url
    answer = wider8k("compare", url, f"{url}/ap_close")
    assert (answer.code, answer.out) == (2, "")
    assert f"has 2 evaluations: name one of {url}/ap_wide, {url}/ap_close" in answer.err.replace(
        f"{url}/ap_close, {url}/ap_wide", f"{url}/ap_wide, {url}/ap_close"
    )
    answer = wider8k("compare", f"{url}/found_wide", f"{url}/ap_close")
    assert answer.code == 2
    assert (
        "found_wide: expected a finished run with an evaluation, or predictions with --ground-truth DIR" in answer.err
    )
    answer = wider8k("compare", f"{url}/ap_wide", f"{url}/ap_close", "--nms", "0.4")
    assert answer.code == 2
    assert "--nms: expected with predictions only, found the finished run" in answer.err
    answer = wider8k("compare", f"{url}/ap_wide", f"{url}/ap_close", "--json", tmp_path)
    assert "--json" in answer.err and "found a folder" in answer.err


@pytest.mark.wider
def test_two_published_sets(wider8k, shared: Path, tmp_path: Path) -> None:
    archives = [shared / f"data/predictions/{name}.tar.gz" for name in ("retinaface_mobilenet025", "yolov7_face")]
    options = ("--ground-truth", shared / "data/wider_val_gt", "--json", tmp_path / "c.json", "--resamples", 100)
    answer = wider8k("compare", *archives, *options)
    assert answer.code == 0, answer.err
    assert "yolov7_face against retinaface_mobilenet025 on 3,226 images: easy +2.54 (more than chance" in answer.out
    content = json.loads((tmp_path / "c.json").read_text())
    hard = content["ap"]["hard"]
    assert (round(hard["a"]["value"], 10), round(hard["b"]["value"], 10)) == (0.7382726532, 0.8297205022)
    difference = hard["difference"]
    assert 0.08 < difference["low"] < difference["value"] < difference["high"] < 0.105
    # The runs share their images: the difference is surer than either AP.
    assert difference["high"] - difference["low"] < hard["a"]["high"] - hard["a"]["low"]


def test_names_are_as_short_as_they_differ() -> None:
    assert short_names("runs/a/ap", "runs/b/ap") == ("a/ap", "b/ap")
    assert short_names("/x/one.tar.gz", "/x/two.tar.gz") == ("one", "two")
    assert short_names("/x/one", "/x/one") == ("one", "one")
    assert short_names("s3://bucket/a", "s3://bucket/b") == ("a", "b")
    assert short_names("runs/a", "runs/a/ap") == ("a", "ap")
    assert short_names("x/y/ap", "ap") == ("y/ap", "ap")


def test_two_predictions_on_labels_of_ones_own(wider8k, tmp_path: Path) -> None:
    root = write_photographs(tmp_path)
    labels, found = root / "set/labels.csv", root / "found.csv"
    assert wider8k("predictions", "convert", found, "--to", "coco_results", "--out", root / "a.json").code == 0
    head, *rows = found.read_text().splitlines()
    (root / "few.csv").write_text("\n".join([head, *rows[::2]]) + "\n")
    options = ("--labels", labels, "--resamples", "50", "--json", tmp_path / "c.json")
    answer = wider8k("compare", root / "a.json", root / "few.csv", *options)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("few.csv against a.json on 6 images: all ")
    assert "Images that lost most\n" in answer.out
    content = json.loads((tmp_path / "c.json").read_text())
    alone = [tmp_path / "a_ap.json", tmp_path / "b_ap.json"]
    for source, file in zip((root / "a.json", root / "few.csv"), alone, strict=True):
        assert wider8k("evaluate", source, "--labels", labels, "--json", file).code == 0
    values = [json.loads(file.read_text())["all"] for file in alone]
    assert [content["ap"]["all"][run]["value"] for run in "ab"] == values
    both = wider8k("compare", found, found, "--labels", labels, "--ground-truth", tmp_path)
    assert both.code == 2 and "expected one of them, found both" in both.err


def test_a_finished_run_and_predictions_of_other_subsets_do_not_compare(wider8k, runs: World, tmp_path: Path) -> None:
    root = write_photographs(tmp_path)
    answer = wider8k("compare", f"{runs.store.url}/ap_wide", root / "found.csv", "--labels", root / "set/labels.csv")
    assert answer.code == 2
    assert (
        "ap_wide counts the faces of easy, medium, hard, found.csv those of all: their APs do not compare" in answer.err
    )


def test_runs_that_are_wired_differently_are_read_in_a_terminal(wider8k, runs: World) -> None:
    runs.node("kept", "suppress", inputs={"candidates": "found_close"})
    runs.node("ap_kept", "evaluate", inputs={"samples": "faces", "detections": "kept"})
    runs.done()
    answer = wider8k(
        "compare", f"{runs.store.url}/ap_wide", f"{runs.store.url}/ap_kept", "--resamples", "50", "--top", "1"
    )
    assert answer.code == 0, answer.err
    assert "stage guess" in answer.out and "detections.candidates" in answer.out
    assert max(map(len, answer.out.split("What differs", 1)[1].splitlines())) <= 100
