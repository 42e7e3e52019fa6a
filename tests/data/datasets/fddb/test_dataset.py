from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.datasets.fddb.dataset import Fddb, boxes_around
from pipeline.data.schemas import SAMPLES
from tests.data.datasets.fddb.folds import write_folds

NAMES = ["2002/08/11/big/img_591", "2002/08/26/big/img_265", "2003/01/01/big/img_265"]


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    write_folds(tmp_path / "FDDB-folds")
    for name in NAMES:
        write_image(tmp_path / "originalPics" / f"{name}.jpg", 160, 140)
    return tmp_path


def test_faces_are_boxes_around_the_ellipses(root: Path) -> None:
    entries = Fddb().entries(str(root))
    assert [entry.image_id for entry in entries] == NAMES
    assert entries[0].path == f"originalPics/{NAMES[0]}.jpg"
    first, empty, two = map(Fddb().open(str(root)), entries)
    assert (len(first.boxes), len(empty.boxes), len(two.boxes)) == (1, 0, 2)
    assert two.boxes[0].tolist() == [10, 15, 50, 45]  # an upright ellipse around (30, 30)
    assert [flags.tolist() for flags in two.levels.values()] == [[False, False], [True, True], [True, True]]
    review = Fddb().review(str(root), [pa.Table.from_pylist([each.to_row() for each in (first, empty, two)], SAMPLES)])
    assert review[0].startswith("3 faces in 2 images; of them count: easy 1, medium 3")


def test_a_box_touches_its_ellipse_on_all_sides() -> None:
    for angle in (0.0, 0.4, 1.2, -1.0, math.pi / 2):
        mask = np.zeros((400, 400), np.uint8)
        cv2.ellipse(mask, (200, 190), (120, 60), math.degrees(angle), 0, 360, 1, cv2.FILLED)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        drawn = [columns[0], rows[0], columns[-1], rows[-1]]
        assert boxes_around(np.array([[120, 60, angle, 200, 190]])).ravel() == pytest.approx(drawn, abs=1.5)


def test_new_ellipses_are_another_version_of_their_image_alone(root: Path) -> None:
    before = Fddb().entries(str(root))
    file = root / "FDDB-folds" / "FDDB-fold-01-ellipseList.txt"
    file.write_text(file.read_text().replace("40 30 1.5", "41 30 1.50"))
    changed = [old.version != new.version for old, new in zip(before, Fddb().entries(str(root)), strict=True)]
    assert changed == [True, False, False]


def test_absent_photographs_are_named_or_left_out(root: Path) -> None:
    (root / "originalPics" / f"{NAMES[1]}.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 images named by .*FDDB-folds are missing: .*img_265\.jpg"):
        Fddb().entries(str(root))
    lines: list[str] = []
    assert [each.image_id for each in Fddb(missing="skip").entries(str(root), lines.append)] == [NAMES[0], NAMES[2]]
    assert lines[0].startswith("left out 1 of 3 images")


def test_a_folder_beside_the_root_is_refused_and_folds_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be relative to the dataset's root"):
        Fddb(images="../elsewhere")
    with pytest.raises(FileNotFoundError, match="no folder .*FDDB-folds: expected the folder of FDDB-fold-XX"):
        Fddb().entries(str(tmp_path))
