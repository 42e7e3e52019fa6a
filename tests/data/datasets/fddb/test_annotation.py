from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.datasets.fddb.annotation import read_fddb
from tests.data.datasets.fddb.folds import write_folds

FIRST = "2002/08/11/big/img_591"


@pytest.mark.wider
def test_the_published_folds(shared: Path) -> None:
    labels = read_fddb(shared / "data/fddb/FDDB-folds")
    assert list(labels.folds) == [f"{fold:02}" for fold in range(1, 11)]
    assert (len(labels.image_ids), labels.faces) == (2845, 5171)
    assert labels.ellipses[FIRST].tolist() == [[123.5833, 85.5495, 1.265839, 269.6934, 161.7812]]
    assert labels.sizes == {}


def test_folds_images_and_ellipses(tmp_path: Path) -> None:
    labels = read_fddb(write_folds(tmp_path))
    assert labels.image_ids == (FIRST, "2002/08/26/big/img_265", "2003/01/01/big/img_265")
    assert labels.faces == 3
    part = labels.restrict([FIRST])
    assert (part.image_ids, part.faces, part.folds["02"]) == ((FIRST,), 1, ())
    with pytest.raises(ValueError, match="1 images are not in the folds: other"):
        labels.restrict(["other"])


@pytest.mark.parametrize("beside", ["FDDB-folds", "FDDB-folds/originalPics", "originalPics"])
def test_the_border_is_that_of_the_photograph_where_it_is_there(tmp_path: Path, beside: str) -> None:
    folds = write_folds(tmp_path / "FDDB-folds")
    photograph = tmp_path / beside / f"{FIRST}.jpg"
    photograph.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(photograph), np.zeros((60, 80, 3), np.uint8))
    labels = read_fddb(folds)
    assert labels.border(FIRST) == (80, 60)
    assert labels.border("2002/08/26/big/img_265") == (450, 450)


def test_an_image_with_a_face_beyond_the_usual_size_has_no_known_border(tmp_path: Path) -> None:
    write_folds(tmp_path)
    (tmp_path / "FDDB-fold-01-ellipseList.txt").write_text(f"{FIRST}\n1\n40 30 1 700 90 1\n2002/08/26/big/img_265\n0\n")
    assert read_fddb(tmp_path).border(FIRST) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{FIRST}\n0\n", ":1: expected 2 images as in FDDB-fold-01.txt, found 1"),
        (f"other\n0\n{FIRST}\n0\n", f":1: expected {FIRST} as in line 1 of FDDB-fold-01.txt, found other"),
        (f"{FIRST}\n1\n4 -1 0 1 1 1\n2002/08/26/big/img_265\n0\n", ":1: expected radii of 0 or more, found -1.0"),
        (f"{FIRST}\n1\n4 1 0 1 1\n2002/08/26/big/img_265\n0\n", ":3: expected 6 numbers (major minor angle cx cy one)"),
    ],
)
def test_a_list_that_does_not_fit_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = write_folds(tmp_path) / "FDDB-fold-01-ellipseList.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_fddb(tmp_path)
    assert str(error.value).startswith(f"{file}{words}")


def test_an_image_in_two_folds_is_named(tmp_path: Path) -> None:
    write_folds(tmp_path)
    (tmp_path / "FDDB-fold-02.txt").write_text(f"{FIRST}\n")
    (tmp_path / "FDDB-fold-02-ellipseList.txt").write_text(f"{FIRST}\n0\n")
    with pytest.raises(ValueError, match=f"02-ellipseList.txt:1: expected an image that comes once, found {FIRST}"):
        read_fddb(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_fddb(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"expected FDDB-fold-XX\.txt"):
        read_fddb(tmp_path)
    (write_folds(tmp_path) / "FDDB-fold-02-ellipseList.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"FDDB-fold-02\.txt has no FDDB-fold-02-ellipseList\.txt beside it"):
        read_fddb(tmp_path)
