from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.predictions.compared_labels import read_compared_labels
from pipeline.data.predictions.sizes import sizes_by_labels
from tests.evaluation.six_photographs import NAMES, rows_of, write_official, write_photographs


def test_any_form_and_the_official_files_have_the_same_faces(tmp_path: Path) -> None:
    labels = write_photographs(tmp_path) / "set/labels.csv"
    official = write_official(tmp_path / "official", labels)
    own, mat = read_compared_labels(labels), read_compared_labels(official)
    assert own.labels.image_ids == tuple(NAMES)
    assert mat.labels.image_ids == tuple(name.removesuffix(".png") for name in NAMES)
    for one, other, rows in zip(own.labels.boxes, mat.labels.boxes, rows_of(labels).values(), strict=True):
        assert one.tolist() == other.tolist() == rows
    assert mat.labels.faces == own.labels.faces > 0
    assert mat.form == "WIDER FACE's .mat files"
    assert sizes_by_labels(official, ["a"]).tolist() == [[0, 0]]
    with pytest.raises(FileNotFoundError, match="no labels at"):
        read_compared_labels(tmp_path / "gone")
