from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.datasets.labels.forms import FORMS
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.labels.label_table import LabelTable

WRITTEN = {name: form.write for name, form in FORMS.items() if form.write}


@pytest.mark.parametrize("name", WRITTEN)
def test_images_and_dataset_of_labels_at_a_path(name: str, small: LabelTable, photographs: Path) -> None:
    labels = WRITTEN[name](small, photographs)
    for path in (photographs, labels):
        found = find_labels(path)
        assert (found.name, found.labels) == (name, labels)
        assert set(found.files(found.table())) == {f"images/{each}" for each in small.names}
        entries = found.dataset().entries(str(found.root))
        assert [entry.image_id for entry in entries] == sorted(small.names)
        assert all((found.root / entry.path).is_file() for entry in entries)


def test_images_in_another_folder(small: LabelTable, photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    WRITTEN["csv"](small, tmp_path / "elsewhere")
    found = find_labels(tmp_path / "elsewhere", images=photographs)
    assert (found.root, found.images) == (tmp_path, "photographs")
    assert len(found.dataset().entries(str(tmp_path))) == 3
    with pytest.raises(FileNotFoundError, match=r"--images .*nowhere: expected a folder, found none"):
        find_labels(tmp_path / "elsewhere", images=tmp_path / "nowhere")
    alone = find_labels(tmp_path / "elsewhere")
    assert alone.files(alone.table()) == [None] * 3


def test_a_form_without_image_files_is_no_dataset(tmp_path: Path) -> None:
    table = np.empty((1, 1), [("imgname", object), ("objects", object)])
    table[0, 0] = ("a.jpg", np.array([[1, 2, 3, 4]]))
    scipy.io.savemat(tmp_path / "a.mat", {"Annotations": table})
    with pytest.raises(ValueError, match="expected labels of image files, found MATLAB of face-eval"):
        find_labels(tmp_path / "a.mat").dataset()


def test_xml_files_among_their_images_need_nothing_beside_them(photographs: Path, tmp_path: Path) -> None:
    for file in (photographs / "images").iterdir():
        if file.is_file():
            file.with_suffix(".xml").write_text("<annotation></annotation>")
    found = find_labels(photographs / "images")
    assert (found.name, found.root, found.images) == ("voc", photographs / "images", "")
