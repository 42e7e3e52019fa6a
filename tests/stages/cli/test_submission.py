from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pipeline.data.records import Detections
from tests.data.datasets.fddb.folds import write_folds
from tests.data.wider_text import write_wider_text
from tests.evaluation.test_benchmark_inputs import write_dump

BOXES, SCORES = np.array([[1, 2, 5, 8]], np.float32), np.array([0.5], np.float32)


def test_the_archive_of_a_dump_and_of_a_folder_of_text_are_equal(wider8k, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("0--Parade/a.jpg\n0--Parade/b.jpg\n")
    write_wider_text(
        tmp_path / "text", [Detections("0--Parade/a", 9, 9, BOXES, SCORES), Detections("0--Parade/b", 9, 9)], False
    )
    failed = Detections("0--Parade/b.jpg", 9, 9, error="no image")
    write_dump(tmp_path / "dump", Detections("0--Parade/a.jpg", 9, 9, BOXES, SCORES), failed)
    for source in ("text", "dump"):
        out = tmp_path / f"{source}.zip"
        answer = wider8k("submission", tmp_path / source, "--images", tmp_path / "list.txt", "--out", out)
        assert answer.code == 0, answer.err
        assert answer.out == f"{out}: 2 images, 1 detections\n"
    assert answer.err == "errors: 1: images without an answer have no detections\n"
    assert (tmp_path / "text.zip").read_bytes() == (tmp_path / "dump.zip").read_bytes()
    with zipfile.ZipFile(out) as archive:
        assert archive.read("0--Parade/a.txt") == b"a\n1\n1 2 4 6 0.5\n"
    answer = wider8k("submission", tmp_path / "text", "--out", tmp_path / "x.zip")
    assert answer.code == 2
    assert "text: expected the 16,097 images in 61 events of the test split, found 2 in 1; --images LIST" in answer.err
    assert not (tmp_path / "x.zip").exists()


def test_lists_of_the_other_benchmarks(wider8k, tmp_path: Path) -> None:
    folds = write_folds(tmp_path / "folds")
    dump = write_dump(tmp_path / "dump", Detections("2003/01/01/big/img_265.jpg", 9, 9, BOXES, SCORES))
    options = ("--benchmark", "fddb", "--labels", folds, "--out", tmp_path / "out")
    answer = wider8k("submission", dump, *options)
    assert answer.code == 0, answer.err
    assert (tmp_path / "out/fold-02-out.txt").read_text() == "2003/01/01/big/img_265\n1\n1 2 4 6 0.5\n"
    assert (tmp_path / "out/fold-01-out.txt").read_text().splitlines()[1::2] == ["0", "0"]
    answer = wider8k("submission", dump, "--benchmark", "afw", "--out", tmp_path / "rows.txt")
    assert answer.code == 0, answer.err
    assert (tmp_path / "rows.txt").read_text() == "img_265 0.5 1.0 2.0 5.0 8.0\n"


def test_mistakes_are_named(wider8k, tmp_path: Path) -> None:
    for options, words in (
        (("--benchmark", "voc"), "--benchmark voc: expected wider, fddb, pascal or afw"),
        (("--benchmark", "fddb"), "--benchmark fddb needs --labels, the folder of the folds"),
        ((), "no predictions at"),
    ):
        answer = wider8k("submission", tmp_path / "gone", *options, "--out", tmp_path / "x.txt")
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err
