from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.images import encode_png
from pipeline.data.predictions.compared_labels import read_compared_labels
from pipeline.data.predictions.matching import GivenPredictions
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.evaluation.benchmark_inputs import WantedImages, read_detections
from tests.data.wider_text import write_wider_text

IMAGES = ("b.jpg", "a.jpg", "c.jpg")
BOXES = np.array([[1, 2, 5, 8], [3, 3, 9, 9.5]], np.float32)
SCORES = np.array([0.75, 0.5], np.float32)


def write_dump(folder: Path, *rows: Detections) -> Path:
    """Writes a shard without records, as any program may write one."""
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row.to_row() for row in rows], DETECTIONS), folder / "part.parquet")
    return folder


def test_every_form_gives_the_same_detections(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("a 0.75 1 2 5 8\na 0.5 3 3 9 9.5\nstranger 1 1 1 2 2\n")
    results = [
        {"image_id": 7, "bbox": [1, 2, 4, 6], "score": 0.75},
        {"image_id": 7, "bbox": [3, 3, 6, 6.5], "score": 0.5},
    ]
    (tmp_path / "found.json").write_text(json.dumps(results))
    dump = write_dump(
        tmp_path / "dump",
        Detections("photos/a.jpg", 50, 50, BOXES, SCORES),
        Detections("photos/b.jpg", 50, 50, error="no image"),
    )
    text = [Detections("photos/a", 50, 50, BOXES, SCORES), Detections("photos/b", 50, 50)]
    write_wider_text(tmp_path / "text", text, truncate=False)
    for source in ("rows.txt", "found.json", "dump", "text"):
        found = read_detections(tmp_path / source, WantedImages(IMAGES, ids={7: "a.jpg"}))
        assert found.predictions.image_ids == IMAGES
        assert found.predictions.offsets.tolist() == [0, 0, 2, 2]
        assert np.array_equal(found.predictions.boxes, BOXES)
        assert np.array_equal(found.predictions.scores, SCORES)
        assert found.positions.tolist() == [0, 1]
    assert read_detections(tmp_path / "rows.txt", WantedImages(IMAGES)).problems == {
        "without a box": ["b.jpg", "c.jpg"],
        "extra": ["stranger"],
    }
    problems = read_detections(dump, WantedImages(IMAGES)).problems
    assert problems == {"missing": ["c.jpg"], "errors": ["b.jpg: no image"]}


def test_a_dump_of_fddb(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", Detections("2002/08/11/big/img_591.jpg", 50, 50, BOXES, SCORES))
    found = read_detections(dump, WantedImages(("2002/08/11/big/img_591",)))
    assert np.array_equal(found.predictions.boxes, BOXES)
    assert not found.problems


def test_names_of_another_set_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("x 0.75 1 2 5 8\n")
    with pytest.raises(ValueError, match=r"rows\.txt: none of 3 images is among its rows.*found x"):
        read_detections(tmp_path / "rows.txt", WantedImages(IMAGES))
    with pytest.raises(ValueError, match="none of 3 images is among its rows"):
        read_detections(write_dump(tmp_path / "dump", Detections("x", 5, 5)), WantedImages(IMAGES))
    (tmp_path / "list.txt").write_text("x\n0\n")
    with pytest.raises(ValueError, match="none of 3 images is among its rows"):
        read_detections(tmp_path / "list.txt", WantedImages(IMAGES))


def test_two_rows_of_a_dump_for_one_image_are_refused(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", Detections("a.jpg", 5, 5), Detections("x/a.jpg", 5, 5))
    with pytest.raises(ValueError, match=r"a\.jpg and x/a\.jpg are both detections of a\.jpg"):
        read_detections(dump, WantedImages(IMAGES))


def test_no_rows_at_all_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text("[]")
    assert len(read_detections(tmp_path / "found.json", WantedImages(IMAGES)).predictions.scores) == 0
    (tmp_path / "rows.txt").write_text("")
    with pytest.raises(ValueError, match="expected predictions as .*found an empty file"):
        read_detections(tmp_path / "rows.txt", WantedImages(IMAGES))
    assert len(read_detections(tmp_path / "rows.txt", WantedImages(IMAGES), GivenPredictions("rows")).positions) == 0


def test_shares_of_the_image_take_its_size_from_labels_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    (tmp_path / "found/a.txt").write_text("0 0.5 0.5 0.25 0.5 0.75\n")
    (tmp_path / "labels.csv").write_text("image,x1,y1,x2,y2,width,height\na.jpg,1,2,3,4,64,32\n")
    found = read_detections(tmp_path / "found", WantedImages.of(read_compared_labels(tmp_path / "labels.csv")))
    assert (found.predictions.image_ids, found.predictions.boxes.tolist()) == (("a.jpg",), [[24, 8, 40, 24]])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    given = GivenPredictions(image_folder=tmp_path / "photos")
    assert read_detections(tmp_path / "found", WantedImages(IMAGES), given).predictions.boxes.tolist() == [
        [24, 16, 40, 48]
    ]
    with pytest.raises(ValueError, match="expected the sizes of the images"):
        read_detections(tmp_path / "found", WantedImages(IMAGES))


def test_rows_that_are_all_errors_are_refused(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", Detections("a.jpg", 0, 0, error="no image"))
    with pytest.raises(ValueError, match=r"expected detections, found 1 rows that are all errors: a\.jpg: no image"):
        read_detections(dump, WantedImages(IMAGES))


def test_nothing_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no predictions at"):
        read_detections(tmp_path / "gone", WantedImages(IMAGES))
