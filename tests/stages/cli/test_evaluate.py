from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.images import encode_png
from pipeline.engine.manifest import Artifact, stored_manifests
from tests.stages.world import World


@pytest.mark.wider
def test_a_published_archive_gives_the_expected_digits(wider8k, shared: Path, tmp_path: Path) -> None:
    archive, truth = shared / "data/predictions/yolov7_face.tar.gz", shared / "data/wider_val_gt"
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())["sets"]["yolov7_face"]["ap"]
    files = ("--json", tmp_path / "ap.json", "--report", tmp_path / "page.html")
    answer = wider8k("evaluate", archive, "--ground-truth", truth, *files)
    assert answer.code == 0
    for subset, faces in (("easy", 7211), ("medium", 13319), ("hard", 31958)):
        assert f"{subset:<7}{100 * expected[subset]:6.2f}  ({faces} faces)" in answer.out
    content = json.loads((tmp_path / "ap.json").read_text())
    assert {subset: round(content[subset], 10) for subset in expected} == expected
    assert content["protocol"]["reading"] == "matlab"
    assert "false_alarms" not in content
    page = (tmp_path / "page.html").read_text()
    assert all(repr(content[subset]) in page for subset in expected)
    assert "yolov7_face" in page
    assert f"wider8k evaluate {archive} --ground-truth {truth}" in page
    assert sum(int(n.replace(",", "")) for n in re.findall(r"of ([\d,]+) faces found", page)) == 31958
    assert f"all digits: {tmp_path / 'ap.json'}" in answer.out


@pytest.mark.wider
def test_missing_and_extra_files_are_named(wider8k, shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "text" / "0--Parade"
    folder.mkdir(parents=True)
    (folder / "0_Parade_marchingband_1_465.txt").write_text("0_Parade_marchingband_1_465\n1\n345 211 4 4 0.9\n")
    (folder / "stranger.txt").write_text("stranger\n0\n")
    listing = tmp_path / "list.txt"
    listing.write_text("0--Parade/0_Parade_marchingband_1_465.jpg\n0--Parade/0_Parade_Parade_0_873.jpg\n")
    options = ("--ground-truth", shared / "data/wider_val_gt", "--images", listing)
    answer = wider8k("evaluate", tmp_path / "text", *options)
    assert answer.code == 0
    assert "missing: 1: 0--Parade/0_Parade_Parade_0_873.txt" in answer.err
    assert "extra: 1: " in answer.err
    assert "stranger" in answer.err


@pytest.mark.wider
def test_a_dump_gives_what_the_stage_gives(wider8k, world: World, shared: Path) -> None:
    data = {"kind": "wider_face", "missing": "skip"}
    world.node("faces", "index", dataset=data, path=str(shared / "data/wider_images"))
    world.node("found", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"}, false_alarms=0.5)
    world.run(limit=5)
    newest = {node: stored_manifests(world.store, node)[0] for node in ("faces", "found", "ap")}
    ap = {row["subset"]: row["ap"] for row in Artifact(world.store, newest["ap"]).rows()}
    names = [row["image_id"] for row in Artifact(world.store, newest["faces"]).rows(["image_id"])]
    assert len(names) == 5
    assert 0.05 < ap["hard"] < 0.95
    (world.folder / "list.txt").write_text("\n".join(names))
    dump, output = world.store.path(newest["found"].folder), world.folder / "ap.json"
    options = ("--ground-truth", shared / "data/wider_val_gt", "--images", world.folder / "list.txt", "--json", output)
    answer = wider8k("evaluate", dump, *options, "--false-alarms", "0.5")
    assert answer.code == 0, answer.err
    content = json.loads(output.read_text())
    assert {subset: content[subset] for subset in ap} == ap
    hard = list(Artifact(world.store, newest["ap"]).rows())[2]
    assert (content["false_alarms"]["alarms"], content["false_alarms"]["found"]["hard"]) == (
        hard["alarms"],
        hard["found"],
    )
    assert f"{hard['alarms']} false alarms at score 0.5, {hard['found']} of {hard['faces']} faces found" in answer.out
    assert hard["alarms"] > 0
    assert content["protocol"]["source"] == "dump"


def test_what_cannot_be_written_is_refused_before_anything_is_read(wider8k, tmp_path: Path) -> None:
    truth = ("--ground-truth", tmp_path / "gone")
    archive = tmp_path / "text.tar.gz"
    archive.write_bytes(b"mine")
    for options, words in (
        (("--json", tmp_path / "missing" / "x.json"), f"--json {tmp_path}/missing/x.json: expected a file in a folder"),
        (("--report", tmp_path), f"--report {tmp_path}: expected a file in a folder that exists, found a folder"),
        (("--json", archive), "expected another file than what is read"),
        (("--json", tmp_path / "x", "--report", tmp_path / "x"), "expected another file than that of --json"),
    ):
        answer = wider8k("evaluate", archive, *truth, *options)
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err
    assert [file.name for file in tmp_path.iterdir()] == ["text.tar.gz"]
    assert archive.read_bytes() == b"mine"


def test_mistakes_are_named(wider8k, tmp_path: Path) -> None:
    answer = wider8k("evaluate", tmp_path / "gone", "--ground-truth", tmp_path)
    assert answer.code == 2
    assert "wider_face_val.mat" in answer.err
    answer = wider8k("evaluate", tmp_path, "--ground-truth", tmp_path, "--reading", "octave")
    assert answer.code == 2
    assert "expected matlab or python" in answer.err


def _cells(*values: object) -> np.ndarray:
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column


@pytest.mark.parametrize("counted", [0, 1])
def test_an_ap_over_no_faces_has_a_word(wider8k, tmp_path: Path, counted: int) -> None:
    names = {"event_list": _cells("e"), "file_list": _cells(_cells("a"))}
    boxes = {"face_bbx_list": _cells(_cells(np.array([[10, 10, 9, 9]], np.int32)))}
    scipy.io.savemat(tmp_path / "wider_face_val.mat", {**names, **boxes})
    for level in ("easy", "medium", "hard"):
        kept = np.ones((counted if level == "hard" else 0, 1), np.uint8)
        scipy.io.savemat(tmp_path / f"wider_{level}_val.mat", {**names, "gt_list": _cells(_cells(kept))})
    (tmp_path / "found" / "e").mkdir(parents=True)
    (tmp_path / "found" / "e" / "a.txt").write_text("a\n2\n10 10 9 9 0.9\n50 50 9 9 0.1\n")
    page = tmp_path / "page.html"
    answer = wider8k("evaluate", tmp_path / "found", "--ground-truth", tmp_path, "--report", page)
    if not counted:
        assert answer.code == 2
        assert "expected faces that count in one of easy, medium, hard, found none among 1 labelled boxes" in answer.err
        return
    assert answer.code == 0
    assert "no face counts in easy, medium: there is no AP" in answer.err
    assert answer.out.splitlines()[:3] == [
        "easy        –  (0 faces)",
        "medium      –  (0 faces)",
        "hard   100.00  (1 faces)",
    ]
    assert "no face counts in easy, medium: there is no AP" in page.read_text()


@pytest.mark.wider
def test_details_are_printed_and_written(wider8k, shared: Path, tmp_path: Path) -> None:
    archive, truth = shared / "data/predictions/yolov7_face.tar.gz", shared / "data/wider_val_gt"
    files = ("--json", tmp_path / "ap.json", "--report", tmp_path / "page.html")
    answer = wider8k("evaluate", archive, "--ground-truth", truth, *files, "--details", "--resamples", 100, "--seed", 3)
    assert answer.code == 0, answer.err
    content = json.loads((tmp_path / "ap.json").read_text())
    details = content["details"]
    assert (details["intervals"]["resamples"], details["intervals"]["seed"]) == (100, 3)
    hard = details["intervals"]["hard"]
    assert 0.80 < hard["low"] < hard["value"] == content["hard"] < hard["high"] < 0.86
    assert round(details["oracle"]["hard"], 9) == 0.880090042
    faces = {part: sum(each["faces"] for each in groups.values()) for part, groups in details["breakdown"].items()}
    assert faces == dict.fromkeys(("height", "blur", "occlusion", "pose", "illumination", "event"), 31958)
    assert details["breakdown"]["blur"]["clear"]["ap"] > details["breakdown"]["blur"]["heavy"]["ap"]
    page = (tmp_path / "page.html").read_text()
    for text in ("AP of hard by event", "0--Parade", "without box", "oracle"):
        assert text in answer.out
        assert text.lower() in page.lower()


def test_details_of_a_list_of_images_and_without_attributes(wider8k, tmp_path: Path) -> None:
    names = {"event_list": _cells("e"), "file_list": _cells(_cells("a", "b"))}
    boxes = {"face_bbx_list": _cells(_cells(*[np.array([[10, 10, 9, 9]], np.int32)] * 2))}
    scipy.io.savemat(tmp_path / "wider_face_val.mat", {**names, **boxes})
    for level in ("easy", "medium", "hard"):
        kept = np.ones((1, 1), np.uint8)
        scipy.io.savemat(tmp_path / f"wider_{level}_val.mat", {**names, "gt_list": _cells(_cells(kept, kept))})
    (tmp_path / "found" / "e").mkdir(parents=True)
    for name in "ab":
        (tmp_path / "found" / "e" / f"{name}.txt").write_text(f"{name}\n2\n10 10 9 9 0.9\n50 50 9 9 0.1\n")
    (tmp_path / "list.txt").write_text("e/b\n")
    options = ("--images", tmp_path / "list.txt", "--details", "--json", tmp_path / "ap.json")
    answer = wider8k("evaluate", tmp_path / "found", "--ground-truth", tmp_path, *options)
    assert answer.code == 0, answer.err
    details = json.loads((tmp_path / "ap.json").read_text())["details"]
    assert details["intervals"]["hard"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert details["errors"]["hard"]["background"] == {"count": 1, "cost": 0.0}
    assert list(details["breakdown"]) == ["height", "event"]
    assert "blur" not in answer.out


@pytest.mark.parametrize("form", ["folds", "list"])
def test_fddb_from_folds_and_from_one_list(wider8k, shared: Path, tmp_path: Path, form: str) -> None:
    found = shared / "data/fddb/detections/jfda"
    if form == "list":
        texts = [(found / f"fold-{fold:02}-out.txt").read_text() for fold in range(10, 0, -1)]
        found = tmp_path / "all.txt"
        found.write_text("".join(text if text.endswith("\n") else f"{text}\n" for text in texts))
    options = ("--benchmark", "fddb", "--labels", shared / "data/fddb/FDDB-folds", "--json", tmp_path / "roc.json")
    answer = wider8k("evaluate", found, *options)
    assert answer.code == 0, answer.err
    assert (answer.out.splitlines()[0], answer.err) == ("FDDB: 5171 faces in 2845 images, 4745 detections", "")
    content = json.loads((tmp_path / "roc.json").read_text())
    assert content["discrete"][-1] == pytest.approx([92, 0.899826, 0.401795], abs=1e-6)
    assert content["continuous"][-1] == pytest.approx([92, 0.676182, 0.401795], abs=0.00045)
    assert len(content["discrete"]) == len(content["continuous"]) == 611


@pytest.mark.parametrize("benchmark", ["pascal", "afw", "coco", "single"])
def test_other_benchmarks_with_labels_as_csv(wider8k, tmp_path: Path, benchmark: str) -> None:
    (tmp_path / "faces.csv").write_text("image,x1,y1,x2,y2\na.jpg,0,0,99,99\n")
    (tmp_path / "rows.txt").write_text("a.jpg 3.5 0 0 99 99\nb.jpg 1 0 0 9 9\n")
    files = ("--json", tmp_path / "ap.json", "--report", tmp_path / "page.html")
    options = ("--benchmark", benchmark, "--labels", tmp_path / "faces.csv", *files)
    answer = wider8k("evaluate", tmp_path / "rows.txt", *options)
    assert answer.code == 0, answer.err
    assert answer.err == "extra: 1: b.jpg\n"
    assert "100.00" in answer.out
    assert json.loads((tmp_path / "ap.json").read_text())["ap"] == 1
    page = (tmp_path / "page.html").read_text()
    assert f"wider8k evaluate {tmp_path / 'rows.txt'} --benchmark {benchmark}" in page
    assert "extra: b.jpg" in page and "100.00" in page


@pytest.mark.wider
def test_labels_name_the_ground_truth_of_wider_too(wider8k, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("0--Parade/0_Parade_marchingband_1_465\n")
    archive, truth = shared / "data/predictions/yolov7_face.tar.gz", shared / "data/wider_val_gt"
    given = [
        wider8k("evaluate", archive, option, truth, "--images", tmp_path / "list.txt").out
        for option in ("--ground-truth", "--labels")
    ]
    assert given[0] == given[1]
    assert "hard" in given[0]


def test_labels_of_ones_own(wider8k, tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("image,x1,y1,x2,y2\ne/a.jpg,0,0,100,100\ne/b.jpg,0,0,50,50\n")
    rows = [("E\\A.JPG", 100, 0.75), ("x.jpg", 10, 0.5), ("e/b", 50, 0.25)]
    entries = [{"image_id": name, "bbox": [0, 0, side, side], "score": score} for name, side, score in rows]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf.\\e\\b.jpg\r\ne/z.jpg\r\n")
    files = ("--json", tmp_path / "ap.json", "--report", tmp_path / "page.html")
    answer = wider8k(
        "evaluate", tmp_path / "found.json", "--labels", tmp_path / "faces.csv", "--false-alarms", "0.5", *files
    )
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[:3] == [
        "COCO results against CSV, by WIDER FACE's rule at IoU 0.5 (--benchmark pascal and coco take theirs)",
        "all    100.00  (2 faces)",
        "0 false alarms at score 0.5, 1 of 2 faces found",
    ]
    assert answer.err == "extra: 1: x.jpg\n"
    assert json.loads((tmp_path / "ap.json").read_text())["all"] == 1
    assert "found.json on CSV" in (tmp_path / "page.html").read_text()
    answer = wider8k(
        "evaluate", tmp_path / "found.json", "--labels", tmp_path / "faces.csv", "--images", tmp_path / "list.txt"
    )
    assert answer.out.splitlines()[1] == "all    100.00  (1 faces)"
    assert "listed, not labelled: 1: e/z.jpg" in answer.err


def test_what_is_known_about_predictions_can_be_given(wider8k, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/faces.csv").write_text("image,x1,y1,x2,y2\na.png,16,16,48,48\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    (tmp_path / "found").mkdir()
    (tmp_path / "found/a.txt").write_text("0 0.5 0.5 0.5 0.5 0.25\n1 0.5 0.5 0.5 0.5 0.75\n")
    options = ("--labels", tmp_path / "labels/faces.csv", "--benchmark", "pascal")
    answer = wider8k("evaluate", tmp_path / "found", *options)
    assert "expected detections of one category, found 0 (1), 1 (1); --class NAME takes one" in answer.err
    answer = wider8k("evaluate", tmp_path / "found", *options, "--class", "1", "--form", "yolo")
    assert "--image-folder names the folder of the images" in answer.err
    answer = wider8k("evaluate", tmp_path / "found", *options, "--class", "1", "--image-folder", tmp_path / "photos")
    assert answer.out.splitlines()[0] == "PASCAL Face: AP 100.00  (1 faces in 1 images)"
