"""What all datasets of labelled files share, with the CSV form; `contracts/test_datasets.py` runs over each of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.labels.csv_file import Csv
from pipeline.data.datasets.labels.forms import LABELLED
from pipeline.data.datasets.labels.label_table import LabelTable
from pipeline.data.schemas import SAMPLES

HEADING = "image,x1,y1,x2,y2,width,height,ignore\n"


def write(root: Path, *rows: str) -> Csv:
    (root / "labels.csv").write_text(HEADING + "".join(f"{row}\n" for row in rows))
    return Csv()


def samples(data: Csv, root: Path) -> dict[str, object]:
    read = data.open(str(root))
    return {entry.image_id: read(entry) for entry in data.entries(str(root))}


def review(data: Csv, root: Path) -> list[str]:
    rows = [sample.to_row() for sample in samples(data, root).values()]
    return data.review(str(root), [pa.Table.from_pylist(rows, SAMPLES)])


def test_faces_are_graded_by_height_unless_they_cannot_be_found(photographs: Path) -> None:
    rows = [
        "0,0,20,50,,,",
        "0,0,9,49.9,,,",
        "1,1,9,11,,,",
        "0,0,9,9.5,,,",
        "0,0,20,60,,,1",
        "5,5,5,90,,,",
        "300,0,400,99,,,",
    ]
    data = write(photographs, *(f"a.jpg,{row}" for row in rows))
    (sample,) = samples(data, photographs).values()
    assert sample.path == "images/a.jpg"
    found = {name: np.flatnonzero(flags).tolist() for name, flags in sample.levels.items()}
    assert found == {"easy": [0], "medium": [0, 1], "hard": [0, 1, 2]}


def test_a_height_at_the_limit_counts_whatever_its_edges(photographs: Path) -> None:
    assert 80.1 - 30.1 < 50
    (sample,) = samples(write(photographs, "a.jpg,0,30.1,9,80.1,,,"), photographs).values()
    assert sample.levels["easy"].tolist() == [True]


def test_a_box_that_is_repeated_counts_once_and_is_a_remark(photographs: Path) -> None:
    data = write(photographs, "a.jpg,0,0,20,50,,,", "a.jpg,0,0,20,50,,,1", "deep/b.jpg,0,0,20,50,,,")
    found = samples(data, photographs)
    assert [len(found[name].boxes) for name in ("a.jpg", "deep/b.jpg")] == [1, 1]
    assert found["a.jpg"].levels["easy"].tolist() == [True]
    assert "1 boxes repeat another one of their image exactly; each counts once" in review(data, photographs)


def test_sizes_are_compared_scaled_or_ignored(photographs: Path) -> None:
    data = write(photographs, "a.jpg,8,6,40,30,80,60,", "deep/b.jpg,0,0,9,9,200,120,")
    words = (
        r"labels\.csv: expected the widths and heights of the images, found 2 others: 80 x 60 for a\.jpg of 160 x 120 "
        r"pixels, 200 x 120 for deep/b\.jpg of 120 x 200 pixels, its sides exchanged"
    )
    with pytest.raises(ValueError, match=words):
        review(data, photographs)
    scaled = samples(Csv(sizes="scale"), photographs)["a.jpg"]
    assert scaled.boxes.tolist() == [[16, 12, 80, 60]]
    assert samples(Csv(sizes="ignore"), photographs)["a.jpg"].boxes.tolist() == [[8, 6, 40, 30]]
    assert review(Csv(sizes="ignore"), photographs)


def test_boxes_of_another_form_are_refused_or_reported(photographs: Path) -> None:
    data = write(photographs, "a.jpg,500,500,600,600,,,", "deep/b.jpg,500,500,700,600,,,")
    with pytest.raises(ValueError, match=r"labels\.csv: expected boxes in pixels of their images, found that 2 of 2"):
        review(data, photographs)
    assert any("2 of 2 boxes reach out" in line for line in review(Csv(doubts="report"), photographs))


def test_absent_images_are_refused_or_left_out(photographs: Path) -> None:
    data = write(photographs, "a.jpg,0,0,20,50,,,", "gone.jpg,0,0,20,50,,,")
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images named by .*labels\.csv are missing: gone\.jpg"):
        data.entries(str(photographs))
    lines: list[str] = []
    assert [entry.image_id for entry in Csv(missing="skip").entries(str(photographs), lines.append)] == ["a.jpg"]
    assert lines and "left out 1 of 2 images" in lines[0]


def test_the_labels_are_found_by_themselves_or_named(photographs: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected labels as CSV, found none"):
        Csv().entries(str(photographs))
    data = write(photographs, "a.jpg,0,0,20,50,,,")
    (photographs / "annotations").mkdir()
    (photographs / "labels.csv").rename(photographs / "annotations/x.csv")
    assert data.labels_path(photographs) == photographs / "annotations/x.csv"
    write(photographs, "a.jpg,0,0,20,50,,,")
    words = r"expected one CSV, found labels\.csv, annotations/x\.csv; --set <node>\.dataset\.annotation=FILE takes"
    with pytest.raises(ValueError, match=words):
        data.entries(str(photographs))
    assert len(Csv(annotation="annotations/x.csv").entries(str(photographs))) == 1
    with pytest.raises(FileNotFoundError, match=r"no annotation .*gone\.csv"):
        Csv(annotation="gone.csv").entries(str(photographs))


@pytest.mark.parametrize("kind", sorted(LABELLED))
def test_a_changed_label_changes_the_version_of_its_image_only(
    kind: str, small: LabelTable, photographs: Path, tmp_path: Path
) -> None:
    form, data = LABELLED[kind].label_form, DATASETS[kind]()
    assert form.write is not None
    form.write(small, photographs)
    before = {entry.image_id: entry.version for entry in data.entries(str(photographs))}
    boxes = small.boxes.copy()
    boxes[0] += 1
    form.write(replace(small, boxes=boxes), photographs)
    for file in photographs.rglob("*.*"):  # a file written within the clock's step
        if "images" not in file.parts:
            os.utime(file, ns=(1, 1))
    after = {entry.image_id: entry.version for entry in data.entries(str(photographs))}
    assert [name for name in before if before[name] != after[name]] == ["a.jpg"]
    read = data.open(str(photographs))
    (entry,) = (entry for entry in data.entries(str(photographs)) if entry.image_id == "a.jpg")
    np.testing.assert_allclose(read(entry).boxes, boxes[:2], atol=1e-4)


def test_the_only_file_of_the_ending_is_read_for_what_is_wrong_with_it(photographs: Path) -> None:
    (photographs / "labels.csv").write_text("name,left,top\n")
    with pytest.raises(ValueError, match=r"labels\.csv:1: expected a heading image,x1,y1,x2,y2"):
        Csv().entries(str(photographs))
    (photographs / "more.csv").write_text("name,left,top\n")
    with pytest.raises(FileNotFoundError, match="expected labels as CSV, found none"):
        Csv().entries(str(photographs))


def test_files_of_one_image_each_are_not_searched_for_labels_of_many(photographs: Path) -> None:
    data = write(photographs, "a.jpg,0,0,20,50,,,")
    for index in range(99):
        (photographs / f"{index}.csv").write_text("name\n")
    with pytest.raises(FileNotFoundError, match="expected labels as CSV, found none"):
        data.entries(str(photographs))
    (photographs / "98.csv").unlink()
    assert len(data.entries(str(photographs))) == 1
