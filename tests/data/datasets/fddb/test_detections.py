from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.fddb.annotation import read_fddb
from pipeline.data.datasets.fddb.detections import read_fddb_detections, write_fddb_detections
from tests.data.datasets.fddb.folds import write_folds

FIRST, SECOND, THIRD = IMAGES = ("2002/08/11/big/img_591", "2002/08/26/big/img_265", "2003/01/01/big/img_265")
LIST = f"{THIRD}\n1\n10 20 30 40 -0.5\n{FIRST}.jpg\n2\n1 2 3.5 4 0.25\n5 6 7 8 0.5\nstranger\n0\n"


@pytest.mark.wider
def test_the_published_lists(shared: Path) -> None:
    labels = read_fddb(shared / "data/fddb/FDDB-folds")
    for detector, boxes in (("MTCNN", 4884), ("jfda", 4745)):
        found = read_fddb_detections(shared / "data/fddb/detections" / detector, labels.image_ids)
        assert len(found.predictions.scores) == boxes
        assert found.missing == found.extra == ()


def test_one_list_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text(LIST)
    found = read_fddb_detections(tmp_path / "all.txt", IMAGES)
    assert found.predictions.offsets.tolist() == [0, 2, 2, 3]
    assert found.predictions.boxes.tolist() == [[1, 2, 4.5, 6], [5, 6, 12, 14], [10, 20, 40, 60]]
    assert found.predictions.scores.tolist() == [0.25, 0.5, -0.5]
    assert (found.missing, found.extra) == ((SECOND,), ("stranger",))


@pytest.mark.parametrize("target", ["all.txt", "out"])
def test_what_is_written_reads_back_as_the_same_numbers(tmp_path: Path, target: str) -> None:
    labels = read_fddb(write_folds(tmp_path / "folds"))
    (tmp_path / "given.txt").write_text(LIST)
    predictions = read_fddb_detections(tmp_path / "given.txt", IMAGES).predictions
    files = write_fddb_detections(predictions, labels, tmp_path / target)
    names = ["all.txt"] if target == "all.txt" else ["fold-01-out.txt", "fold-02-out.txt"]
    assert [file.name for file in files] == names
    again = read_fddb_detections(tmp_path / target, IMAGES)
    assert again.missing == ()
    assert np.array_equal(again.predictions.boxes, predictions.falling().boxes)
    assert np.array_equal(again.predictions.scores, predictions.falling().scores)


def test_mistakes_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(FileNotFoundError, match=r"expected one list, or a folder of fold-XX-out\.txt"):
            read_fddb_detections(path, IMAGES)
    for fold in ("01", "02"):
        (tmp_path / f"fold-{fold}-out.txt").write_text(f"{FIRST}\n0\n")
    with pytest.raises(ValueError, match=f"fold-02-out.txt:1: expected an image that comes once, found {FIRST} again"):
        read_fddb_detections(tmp_path, IMAGES)
