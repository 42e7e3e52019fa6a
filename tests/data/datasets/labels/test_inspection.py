from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.data.datasets.labels.csv_file import write_csv
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.labels.inspection import inspect_labels
from pipeline.data.datasets.labels.label_table import LabelTable
from pipeline.data.datasets.labels.yolo_text import write_yolo

HEADING = "image,x1,y1,x2,y2,width,height\n"


def test_counts_of_faces_marks_and_heights(small: LabelTable, photographs: Path) -> None:
    write_csv(small, photographs)
    (photographs / "images/alone.jpg").write_bytes((photographs / "images/a.jpg").read_bytes())
    found = inspect_labels(find_labels(photographs))
    counts = dict(found.counts)
    assert counts["form"] == "CSV (--set faces.dataset=csv)"
    assert counts["images"] == "3 labelled, 1 of them without a face; 3 files found"
    assert counts["faces"] == "4, 1 of them ignored, 1 with five landmarks"
    assert counts["opened"] == "3 images"
    assert counts["heights"].startswith("5 % of the faces are below ")
    assert counts["subsets"] == "easy 2, medium 2, hard 3"
    assert "1 images have no labels; the first is images/alone.jpg" in found.remarks
    assert found.problem is None
    assert [sample.image_id for sample in found.drawn] == ["a.jpg", "deep/b.jpg"]


def test_absent_and_broken_images_are_remarks(small: LabelTable, photographs: Path) -> None:
    write_csv(small, photographs)
    (photographs / "images/a.jpg").write_bytes(b"no image")
    (photographs / "images/deep/b.jpg").unlink()
    found = inspect_labels(find_labels(photographs))
    lines = "\n".join(found.remarks)
    assert "left out 1 of 3 images named by" in lines
    assert "cannot be read: images/a.jpg: " in lines
    assert found.drawn == ()


def test_a_contradiction_is_a_problem_with_advice(photographs: Path) -> None:
    (photographs / "labels.csv").write_text(f"{HEADING}a.jpg,0,0,20,50,80,60\n")
    found = inspect_labels(find_labels(photographs))
    assert found.problem is not None
    assert "expected the widths and heights of the images, found 1 others: 80 x 60 for a.jpg" in found.problem
    assert "--set faces.dataset.sizes=scale scales their boxes" in found.problem


def test_labels_without_any_image_are_a_problem_and_are_counted(small: LabelTable, photographs: Path) -> None:
    write_csv(small, photographs)
    shutil.rmtree(photographs / "images")
    found = inspect_labels(find_labels(photographs))
    assert found.problem is not None
    assert found.problem.startswith("3 of 3 images named by") and found.problem.endswith(
        "; --images names their folder"
    )
    assert dict(found.counts)["faces"] == "4, 1 of them ignored, 1 with five landmarks"
    assert found.drawn == ()


def test_boxes_of_another_form_are_a_problem_and_drawn(photographs: Path) -> None:
    (photographs / "labels.csv").write_text("image,x,y,w,h\na.jpg,80,60,120,100\ndeep/b.jpg,40,90,100,160\n")
    found = inspect_labels(find_labels(photographs))
    assert found.problem is not None and len(found.drawn) == 2
    assert "they fit as x1, y1, x2, y2" in found.problem and "faces.dataset.doubts=report goes on" in found.problem
    assert not any("they fit as" in line for line in found.remarks)


def test_images_to_open_are_spread_evenly(small: LabelTable, photographs: Path) -> None:
    write_yolo(small, photographs)
    found = inspect_labels(find_labels(photographs), opened=2, drawn=1)
    assert dict(found.counts)["opened"] == "2 images of 3, evenly spread; --opened N for others"
    assert [sample.image_id for sample in found.drawn] == ["a.jpg"]
