"""Every form of predictions: what is written is recognised, and reads back as the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.prediction_format import LAYOUTS
from pipeline.data.predictions.form import PLAIN, WriteOptions
from pipeline.data.predictions.forms import FORMS, recognise
from pipeline.data.predictions.table import PredictionTable
from tests.data.predictions.conftest import SIZES, rows_of

TARGETS = {
    "wider_text": ["out", "out.zip", "out.tar.gz", "out.tgz", "out.tar", "out.txt"],
    "coco_results": ["out.json"],
    "yolo": ["out"],
    "csv": ["out.csv"],
    "fddb": ["out.txt"],
    "rows": ["out.txt"],
    "detect_json": ["out.json"],
    "dump": ["out"],
}


def test_every_form_is_here() -> None:
    assert TARGETS.keys() == FORMS.keys()
    for form in FORMS.values():
        assert form.layout in LAYOUTS
        assert form.words and form.target_words
    assert FORMS["dump"].target_words == "an empty folder"
    assert FORMS["csv"].target_words == "a file that ends in .csv"
    assert FORMS["wider_text"].target_words.startswith("an empty folder or a file that ends in .tar.gz or ")


@pytest.mark.parametrize(("name", "target"), [(name, each) for name, targets in TARGETS.items() for each in targets])
def test_what_is_written_is_recognised_and_reads_back(
    small: PredictionTable, tmp_path: Path, name: str, target: str
) -> None:
    form, path = FORMS[name], tmp_path / target
    lines = form.write(small, path, WriteOptions())
    # A list has FDDB's form where its images are called as FDDB's are.
    assert recognise(path) == ("wider_text" if name == "fddb" else name, path)
    again = form.read(path, PLAIN)
    names = dict.fromkeys(SIZES) if form.names_empty or name == "yolo" else dict.fromkeys(["deep/b.jpg", "c d.jpg"])
    stems = {
        each: each.removesuffix(".jpg") if name in ("yolo", "wider_text") and target != "out.txt" else each
        for each in names
    }
    assert set(again.names) == set(stems.values())
    if again.relative:
        sizes = [SIZES[f"{each}.jpg"] for each in again.names]
        again = again.take(range(len(again)), again.names, np.array(sizes, np.int32)).in_pixels()
    found, expected = rows_of(again), rows_of(small)
    assert {each: found[stem] for each, stem in stems.items()} == {each: expected[each] for each in names}
    assert (not form.names_empty and name != "yolo") == any("without a box are left out" in line for line in lines)


def test_only_a_dump_and_what_needs_them_keeps_sizes(small: PredictionTable, tmp_path: Path) -> None:
    FORMS["dump"].write(small, tmp_path / "dump", WriteOptions())
    assert FORMS["dump"].read(tmp_path / "dump", PLAIN).sizes.tolist() == small.sizes.tolist()
    assert [name for name, form in FORMS.items() if form.needs_sizes] == ["yolo"]
