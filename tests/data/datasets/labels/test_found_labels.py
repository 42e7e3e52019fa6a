from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.datasets.labels.forms import FORMS
from pipeline.data.datasets.labels.found_labels import LabelledSizes, find_labels
from pipeline.data.datasets.labels.label_table import LabelTable
from pipeline.data.images import encode_png

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


def test_the_images_are_beside_a_folder_annotations(small: LabelTable, photographs: Path) -> None:
    (photographs / "annotations").mkdir()
    labels = WRITTEN["coco_json"](small, photographs).rename(photographs / "annotations/instances_val.json")
    found = find_labels(labels)
    assert (found.root, found.images) == (photographs, "")
    assert set(found.files(found.table())) == {f"images/{each}" for each in small.names}


def test_the_images_are_beside_the_texts_of_yolo(
    small: LabelTable, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITTEN["yolo"](small, photographs)
    monkeypatch.chdir(photographs / "labels")
    for path in (photographs / "labels", Path()):
        found = find_labels(path)
        assert (found.name, found.root, found.images) == ("yolo", photographs, "")
        assert None not in found.files(found.table())


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


def image(file: Path, width: int, height: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(np.zeros((height, width, 3), np.uint8)))


def test_sizes_of_labels_and_of_images_beside_them(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,x1,y1,x2,y2,width,height\na.png,1,2,3,4,64,32\nb.png,1,2,3,4,,\nc.png,1,2,3,4,,\n")
    image(tmp_path / "images/b.png", 20, 10)
    image(tmp_path / "images/a.png", 9, 9)  # the labels are about 64 x 32
    found = find_labels(labels)
    sizes = LabelledSizes(found, found.table())
    assert sizes(["c.png", "b", "a.png", "x"]).tolist() == [[0, 0], [20, 10], [64, 32], [0, 0]]
    assert sizes([]).tolist() == []


def test_shares_are_of_the_images_as_they_are(tmp_path: Path) -> None:
    image(tmp_path / "images/a.png", 20, 10)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    found = find_labels(tmp_path)
    assert found.sizes(found.table()).tolist() == [[20, 10]]
    content = {"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 32}], "annotations": []}
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco/faces.json").write_text(json.dumps(content))
    found = find_labels(tmp_path / "coco/faces.json", images=tmp_path / "images")
    assert found.sizes(found.table()).tolist() == [[64, 32]]


def test_messages_have_the_path_as_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "images/a.png", 20, 10)
    Path(tmp_path / "faces.csv").write_text("image,x1,y1,x2,y2\na.png,1,2,3\n")
    monkeypatch.chdir(tmp_path)
    found = find_labels(Path("faces.csv"))
    assert (found.labels, found.root) == (Path("faces.csv"), tmp_path)
    with pytest.raises(ValueError, match=r"^faces\.csv:2: expected"):
        found.table()
