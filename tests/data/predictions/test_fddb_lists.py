from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.fddb.annotation import read_fddb
from pipeline.data.predictions.fddb_lists import read_fddb_lists, write_folds
from pipeline.data.predictions.forms import recognise
from pipeline.data.predictions.matching import find_predictions
from tests.data.datasets.fddb.folds import write_folds as write_labels
from tests.data.predictions.conftest import rows_of

FIRST, SECOND, THIRD = IMAGES = ("2002/08/11/big/img_591", "2002/08/26/big/img_265", "2003/01/01/big/img_265")
LIST = f"{THIRD}\n1\n10 20 30 40 -0.5\n{FIRST}.jpg\n2\n1 2 3.5 4 0.25\n5 6 7 8 0.5\nstranger\n0\n"


@pytest.mark.wider
def test_the_published_lists(shared: Path) -> None:
    labels = read_fddb(shared / "data/fddb/FDDB-folds")
    for detector, boxes in (("MTCNN", 4884), ("jfda", 4745)):
        assert recognise(shared / "data/fddb/detections" / detector)[0] == "fddb"
        found = find_predictions(shared / "data/fddb/detections" / detector).of_images(labels.image_ids)
        assert len(found.table.scores) == boxes
        assert found.missing == found.extra == ()


def test_one_list_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text(LIST)
    assert rows_of(read_fddb_lists(tmp_path / "all.txt")) == {
        THIRD: [[10, 20, 40, 60, -0.5]],
        f"{FIRST}.jpg": [[5, 6, 12, 14, 0.5], [1, 2, 4.5, 6, 0.25]],
        "stranger": [],
    }
    found = find_predictions(tmp_path / "all.txt").of_images(IMAGES)
    assert (found.missing, found.extra) == ((SECOND,), ("stranger",))


def test_folds_are_written_in_the_order_of_the_labels(tmp_path: Path) -> None:
    labels = read_fddb(write_labels(tmp_path / "folds"))
    (tmp_path / "given.txt").write_text(LIST)
    table = find_predictions(tmp_path / "given.txt").of_images(labels.image_ids).table
    files = write_folds(table, labels, tmp_path / "out")
    assert [file.name for file in files] == ["fold-01-out.txt", "fold-02-out.txt"]
    assert recognise(tmp_path / "out") == ("fddb", tmp_path / "out")
    again = read_fddb_lists(tmp_path / "out")
    assert again.names == labels.image_ids
    assert rows_of(again) == rows_of(table)


def test_mistakes_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(FileNotFoundError, match=r"expected one list, or a folder of fold-XX-out\.txt"):
            read_fddb_lists(path)
    for fold in ("01", "02"):
        (tmp_path / f"fold-{fold}-out.txt").write_text(f"{FIRST}\n0\n")
    with pytest.raises(ValueError, match=f"fold-02-out.txt:1: expected an image that comes once, found {FIRST} again"):
        read_fddb_lists(tmp_path)
