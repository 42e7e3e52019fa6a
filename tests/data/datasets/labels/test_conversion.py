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
