from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.benchmarks.coco import CocoSet
from pipeline.evaluation.benchmarks.voc import Afw
from tests.evaluation.benchmarks.nine_images import IMAGES, write_csv


def test_labels_are_of_any_form_and_have_a_face_that_counts(tmp_path: Path) -> None:
    whole = Afw.read(write_csv(tmp_path), BenchmarkOptions())
    assert (whole.form, whole.entries(), len(whole.wanted.image_ids)) == ("CSV", {"labels": "CSV"}, IMAGES)
    (tmp_path / "none.csv").write_text("image,x1,y1,x2,y2\na,,,,\n")
    with pytest.raises(ValueError, match=r"none\.csv: expected faces that count, found none in 1 images"):
        CocoSet.read(tmp_path / "none.csv", BenchmarkOptions())


def test_sizes_of_images_are_no_borders(tmp_path: Path) -> None:
    whole = CocoSet.read(write_csv(tmp_path), BenchmarkOptions())
    assert whole.measured({"4.jpg": (60, 60)}) is whole


def test_a_part_has_the_faces_of_its_images_and_their_numbers_alone(tmp_path: Path) -> None:
    whole = Afw.read(write_csv(tmp_path), BenchmarkOptions())
    part = whole.restrict(["7.jpg", "2.jpg"])
    assert (part.numbers, part.labels.image_ids, part.form) == ({"2.jpg": 2, "7.jpg": 7}, ("2.jpg", "7.jpg"), "CSV")
    assert part.wanted.sizes is None and whole.wanted.sizes is not None
