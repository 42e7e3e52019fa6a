"""The two commands on predictions, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png


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
            "error: --out {set}/x.txt: CSV is a .csv file, found x.txt",
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
