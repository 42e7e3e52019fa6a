"""The two commands on predictions, as a user types them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.conversion import convert_labels
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.images import encode_png
from pipeline.data.predictions.conversion import convert_predictions
from pipeline.data.predictions.matching import GivenPredictions
from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark
from tests.evaluation.six_photographs import NAMES, write_official, write_photographs


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """COCO results of two of three images, of which one is not labelled."""
    rows = [(1, [10, 10, 30, 40], 0.9), (1, [1, 1, 8, 8], 0.2), (9, [5, 5, 10, 10], 0.5)]
    entries = [{"image_id": image, "bbox": box, "score": score} for image, box, score in rows]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    images = [{"id": n, "file_name": f"{name}.png", "width": 64, "height": 64} for n, name in ((1, "e/a"), (2, "e/b"))]
    annotations = [{"image_id": 1, "bbox": [10, 10, 30, 40]}, {"image_id": 2, "bbox": [0, 0, 9, 9]}]
    (tmp_path / "labels.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return tmp_path / "found.json"


def test_inspect_prints_counts_and_how_they_fit(wider8k, found: Path, tmp_path: Path) -> None:
    answer = wider8k("predictions", "inspect", found, "--labels", tmp_path / "labels.json")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines() == [
        "form     COCO results (--form coco_results)",
        f"path     {found}",
        "images   2, 0 of them without a box",
        "boxes    3, at most 2 in an image",
        "scores   0.2 to 0.9, half of them below 0.5",
        "heights  5 % of the boxes are below 8.2 px, half below 10, 5 % above 37",
        "labels   COCO JSON: 2 images, 2 of them among the predictions",
        "faces    2, 1 of them met by a box at IoU 0.5, whatever its score",
        "remark   1 images belong to no labelled image: image_id 9",
        f"next: wider8k evaluate {found} --labels {tmp_path / 'labels.json'}",
    ]


def test_a_contradiction_is_exit_code_1(wider8k, found: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("image,x1,y1,x2,y2\nstranger.jpg,0,0,9,9\n")
    answer = wider8k("predictions", "inspect", found, "--labels", tmp_path / "other.csv")
    assert answer.code == 1
    assert answer.err.startswith(f"problem  {found}: none of 1 images is among its rows")
    assert answer.out.splitlines()[-1].startswith("heights")


def test_convert_and_inspect_again(wider8k, found: Path, tmp_path: Path) -> None:
    out = tmp_path / "as text"
    answer = wider8k(
        "predictions", "convert", found, "--to", "wider_text", "--out", out, "--labels", tmp_path / "labels.json"
    )
    assert answer.code == 0, answer.err
    assert answer.out.splitlines() == [
        "remark   1 names of no labelled image are left out: image_id 9",
        f"{out}: 2 images, 2 boxes",
        f"next: wider8k predictions inspect '{out}'",
    ]
    assert (out / "e/b.txt").read_text() == "b\n0\n"
    again = wider8k(
        "predictions",
        "convert",
        out,
        "--to",
        "coco_results",
        "--out",
        tmp_path / "again.json",
        "--labels",
        tmp_path / "labels.json",
    )
    assert again.code == 0, again.err
    assert [(e["image_id"], e["bbox"], e["score"]) for e in json.loads((tmp_path / "again.json").read_text())] == [
        (1, [10, 10, 30, 40], 0.9),
        (1, [1, 1, 8, 8], 0.2),
    ]


def test_yolo_takes_sizes_of_a_folder_of_images(wider8k, found: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("1", "9"):
        (tmp_path / f"photos/{name}.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    options = ("--to", "yolo", "--out", tmp_path / "out", "--image-folder", tmp_path / "photos")
    answer = wider8k("predictions", "convert", found, *options)
    assert answer.code == 0, answer.err
    assert (tmp_path / "out/labels/9.txt").read_text() == "0 0.15625 0.15625 0.15625 0.15625 0.5\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inspect", "{set}/gone"), "error: no predictions at "),
        (("inspect", "{set}/found.json", "--form", "coco"), "error: no form of predictions is called 'coco'"),
        (("inspect", "{set}/found.json", "--labels", "{set}/gone"), "error: no labels at"),
        (
            ("convert", "{set}/found.json", "--to", "xml", "--out", "{set}/x"),
            "error: no form of predictions is called 'xml'",
        ),
        (
            ("convert", "{set}/found.json", "--to", "csv", "--out", "{set}/x.txt"),
            "error: --out {set}/x.txt: CSV is written as a file that ends in .csv, found x.txt",
        ),
        (
            ("convert", "{set}/found.json", "--to", "wider_text", "--out", "{set}"),
            "error: {set}: expected an empty folder or none, found files in it",
        ),
        (
            ("convert", "{set}/found.json", "--to", "coco_results", "--out", "{set}/found.json"),
            "error: --out {set}/found.json: expected another file",
        ),
        (
            ("convert", "{set}/found.json", "--to", "yolo", "--out", "{set}/x"),
            "error: {set}/found.json: expected the sizes of the images, for YOLO text",
        ),
    ],
)
def test_a_mistake_is_one_line(wider8k, found: Path, words: tuple[str, ...], message: str) -> None:
    answer = wider8k("predictions", *(word.format(set=found.parent) for word in words))
    assert answer.code == 2
    assert answer.err.startswith(message.format(set=found.parent))
    assert answer.err.count("\n") == 1


@pytest.fixture
def reader_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the commands of docs/predictions.md name."""
    root = write_photographs(tmp_path)
    labels, photos = root / "labels.csv", root / "photos"
    (root / "set/labels.csv").rename(labels)
    (root / "set/images").rename(photos)
    write_official(root / "data/WIDER/wider_face_split", labels)
    coco = convert_labels(find_labels(labels, images=photos), "coco_json", root / "coco", "none").labels
    coco.rename(root / "annotations.json")
    for form, out in (
        ("coco_results", "results.json"),
        ("rows", "rows.txt"),
        ("wider_text", "predictions.tar.gz"),
        ("wider_text", "a.tar.gz"),
        ("wider_text", "b.tar.gz"),
        ("coco_results", "a.json"),
        ("coco_results", "b.json"),
        ("yolo", "runs/detect/predict"),
    ):
        convert_predictions(root / "found.csv", form, root / out, given=GivenPredictions(image_folder=photos))
    for name in ("a", "b"):
        result = evaluate_benchmark("pascal", root / "rows.txt", labels)
        (root / f"pascal_{name}.json").write_text(result.to_json(), encoding="utf-8")
    (root / "list.txt").write_bytes("".join(f"./{name}\r\n" for name in NAMES[:4]).encode("utf-8-sig"))
    monkeypatch.chdir(root)
    return root


OFFICIAL = "~/data/WIDER/wider_face_split"


def test_every_command_of_the_page_runs(wider8k, reader_of_the_page: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/predictions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    commands = [shlex.split(line)[1:] for line in "".join(blocks).splitlines()]
    assert len(commands) >= 13
    answers = {}
    for words in commands:
        answer = wider8k(*(word.replace("~", str(reader_of_the_page)) for word in words))
        assert answer.code == 0, f"{words}: {answer.err}"
        answers[" ".join(words[:4])] = answer.out
    own = re.search(r"all +(\S+)", answers["evaluate results.json --labels labels.csv"])
    official = re.search(r"hard +(\S+)", answers[f"evaluate predictions.tar.gz --ground-truth {OFFICIAL}"])
    assert own is not None and official is not None and own[1] == official[1]
