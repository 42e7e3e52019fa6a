from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark
from tests.data.datasets.fddb.folds import write_folds


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    (tmp_path / "faces.csv").write_text(
        "image,x1,y1,x2,y2,ignore\na.jpg,0,0,99,99,\na.jpg,200,0,219,19,\nb.jpg,0,0,99,99,1\nc.jpg,,,,,\n"
    )
    return tmp_path / "faces.csv"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "rows.txt").write_text("a 3 0 0 99 99\nc 2 0 0 50 50\na 1 200 0 219 19\nb 4 0 0 99 99\nz 9 0 0 1 1\n")
    return tmp_path / "rows.txt"


def test_pascal_and_afw(faces: Path, rows: Path) -> None:
    result = evaluate_benchmark("afw", rows, faces)
    content = json.loads(result.to_json())
    assert content["ap"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert (content["images"], content["faces"]) == (3, 2)
    assert [point[2] for point in content["curve"]] == [3, 2, 1]
    assert content["protocol"]["name"] == "voc"
    assert content["protocol"]["min_face"] == 0
    assert content["problems"] == {"extra": ["z"]}
    assert result.lines[0] == "AFW: AP 83.33  (2 faces in 3 images)"


def test_small_faces_are_ignored_by_choice_or_by_protocol(faces: Path, rows: Path) -> None:
    for options in (BenchmarkOptions(min_face=25), BenchmarkOptions("face-eval")):
        result = evaluate_benchmark("pascal", rows, faces, options)
        assert (result.content["faces"], result.content["ap"]) == (1, 1)
    assert result.lines[1] == "protocol face-eval: faces under 30 px ignored, 4 refinements"
    with pytest.raises(ValueError, match="--protocol coco: expected voc or face-eval"):
        evaluate_benchmark("pascal", rows, faces, BenchmarkOptions("coco"))


def test_coco(faces: Path, rows: Path) -> None:
    result = evaluate_benchmark("coco", rows, faces)
    content = json.loads(result.to_json())
    assert content["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert content["ap_medium"] is None
    assert content["protocol"]["faces_by_area"] == {"all": 2, "small": 1, "medium": 0, "large": 1}
    assert "ap50      83.50" in result.lines
    assert "ap_medium     –" in result.lines


def test_single_faces(faces: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"faces\.csv: expected one face that counts in every image, found 2 in a\.jpg"
    ):
        evaluate_benchmark("single", rows, faces)
    (tmp_path / "one.csv").write_text("image,x1,y1,x2,y2,ignore\na,0,0,99,99,\na,200,0,219,19,1\nc,0,0,9,9,\n")
    result = evaluate_benchmark("single", rows, tmp_path / "one.csv", BenchmarkOptions(score=3))
    assert result.lines[1] == "at score 3: 1 found, 1 missed, 0 extra boxes"
    assert result.content["ap"] == 0.5
    assert evaluate_benchmark("single", rows, tmp_path / "one.csv").content["protocol"]["score"] == 0.5


def test_fddb(tmp_path: Path) -> None:
    folds = write_folds(tmp_path / "folds")
    (tmp_path / "list.txt").write_text("2003/01/01/big/img_265\n2\n10 15 40 30 0.9\n200 200 9 9 0.95\n")
    content = json.loads(evaluate_benchmark("fddb", tmp_path / "list.txt", folds).to_json())
    assert (content["images"], content["faces"]) == (3, 3)
    assert content["discrete"] == [[1, 0, 0.95], [1, 1 / 3, 0.9]]
    assert [point[::2] for point in content["continuous"]] == [[1, 0.95], [1, 0.9]]
    assert 0.2 < content["continuous"][1][1] < 1 / 3
    assert len(content["problems"]["missing"]) == 2


def test_labels_without_a_face_that_counts_are_named(tmp_path: Path, rows: Path) -> None:
    (tmp_path / "none.csv").write_text("image,x,y,w,h\na,,,,\n")
    with pytest.raises(ValueError, match=r"none\.csv: expected faces that count, found none in 1 images"):
        evaluate_benchmark("coco", rows, tmp_path / "none.csv")
