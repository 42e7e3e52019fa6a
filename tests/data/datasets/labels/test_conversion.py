"""Every form is written as every other one and read back: the same images, faces, marks and landmarks."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.conversion import convert_labels
from pipeline.data.datasets.labels.forms import FORMS
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.labels.label_table import LabelTable
from tests.data.datasets.labels.conftest import SIZES

WRITTEN = [name for name, form in FORMS.items() if form.write]


@pytest.fixture
def of_form(small: LabelTable, photographs: Path):
    def write(name: str) -> Path:
        write = FORMS[name].write
        assert write is not None
        write(small, photographs)
        return photographs

    return write


@pytest.mark.parametrize(("first", "second"), list(product(WRITTEN, WRITTEN)))
def test_there_and_back(first: str, second: str, small: LabelTable, of_form, tmp_path: Path) -> None:
    found = find_labels(of_form(first))
    assert found.name == first
    done = convert_labels(found, second, tmp_path / "out")
    back = find_labels(tmp_path / "out")
    assert back.name == second
    table = back.table()
    table = table.in_pixels(np.array([SIZES[name] for name in table.names], np.int32))
    assert set(table.names) == set(SIZES)
    keeps_ignored = FORMS[first].keeps_ignored and FORMS[second].keeps_ignored
    keeps_points = FORMS[first].keeps_landmarks and FORMS[second].keeps_landmarks
    for position, name in enumerate(small.names):
        there = table.names.index(name)
        rows, kept = table.rows(there), np.arange(len(small.boxes))[small.rows(position)]
        if not FORMS[second].keeps_ignored and FORMS[first].keeps_ignored:
            kept = kept[~small.ignored[kept]]
        np.testing.assert_allclose(table.boxes[rows], small.boxes[kept], atol=1e-5)
        np.testing.assert_array_equal(table.ignored[rows], small.ignored[kept] & keeps_ignored)
        if keeps_points:
            assert table.landmarks is not None and small.landmarks is not None
            np.testing.assert_allclose(table.landmarks[rows], small.landmarks[kept], atol=1e-5)
        assert (tmp_path / "out/images" / name).is_file()
    assert (done.images, done.faces) == (3, len(table.boxes))
    lost = " ".join(done.lines)
    assert ("1 ignored faces are left out" in lost) == (FORMS[first].keeps_ignored and not FORMS[second].keeps_ignored)
    assert ("landmarks of 1 faces are left out" in lost) == (
        FORMS[first].keeps_landmarks and not FORMS[second].keeps_landmarks
    )


def test_copies_no_files_and_links(of_form, tmp_path: Path) -> None:
    found = find_labels(of_form("csv"))
    convert_labels(found, "voc", tmp_path / "copied", "copy")
    image = tmp_path / "copied/images/deep/b.jpg"
    assert image.is_file() and not image.is_symlink()
    convert_labels(found, "voc", tmp_path / "alone", "none")
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["Annotations"]
    convert_labels(found, "voc", tmp_path / "linked")
    assert (tmp_path / "linked/images/deep/b.jpg").resolve() == found.root / "images/deep/b.jpg"


def test_missing_images_and_unknown_sizes_are_refused(small: LabelTable, of_form, tmp_path: Path) -> None:
    root = of_form("retinaface")  # without sizes
    (root / "images/a.jpg").unlink()
    found = find_labels(root)
    with pytest.raises(
        FileNotFoundError, match=r"1 of 3 images named by .*label\.txt are missing below .*: a\.jpg; --im"
    ):
        convert_labels(found, "csv", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"a\.jpg: expected a readable image, for YOLO text needs its size"):
        convert_labels(found, "yolo", tmp_path / "out", "none")
    assert not (tmp_path / "out").exists()
    assert convert_labels(found, "csv", tmp_path / "out", "none").faces == 4


def test_sizes_that_contradict_the_images_are_refused_where_they_matter(photographs: Path, tmp_path: Path) -> None:
    (photographs / "labels.csv").write_text("image,x,y,w,h,width,height\na.jpg,0,0,9,9,80,60\n")
    words = (
        r"labels\.csv: expected the widths and heights of the images, found 1 others: 80 x 60 for a\.jpg of 160 x 120"
    )
    with pytest.raises(ValueError, match=words):
        convert_labels(find_labels(photographs), "yolo", tmp_path / "out")


def test_names_never_lead_out_of_the_folder(photographs: Path, tmp_path: Path) -> None:
    place = photographs / "images/a.jpg"
    (photographs / "labels.csv").write_text(f"image,x,y,w,h\n{place},0,0,9,9\n../b.jpg,0,0,9,9\n")
    with pytest.raises(ValueError, match=r"\.\./b\.jpg: expected a path below the folder of the images, found another"):
        convert_labels(find_labels(photographs), "csv", tmp_path / "out", "none")
    (photographs / "labels.csv").write_text(f"image,x,y,w,h\n{place},0,0,9,9\n")
    convert_labels(find_labels(photographs), "coco_json", tmp_path / "out")
    assert find_labels(tmp_path / "out").table().names == ("images/a.jpg",)
    assert (tmp_path / "out/images/images/a.jpg").is_file()


def test_a_name_without_an_ending_gets_that_of_its_file(photographs: Path, tmp_path: Path) -> None:
    (photographs / "labels.csv").write_text("image,x,y,w,h\na,0,0,9,9\ndeep/b,0,0,9,9\n")
    convert_labels(find_labels(photographs), "csv", tmp_path / "out")
    assert find_labels(tmp_path / "out").table().names == ("a.jpg", "deep/b.jpg")
