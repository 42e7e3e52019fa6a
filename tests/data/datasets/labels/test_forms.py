from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.labels.form import HEAD
from pipeline.data.datasets.labels.forms import FORMS, LABELLED, advice_on_form, labels_of_form, recognise
from pipeline.data.datasets.labels.label_table import LabelTable

WRITTEN = {name: form.write for name, form in FORMS.items() if form.write}


def test_every_form_that_is_written_is_a_dataset() -> None:
    assert set(WRITTEN) <= set(DATASETS)
    assert set(LABELLED) <= set(FORMS)
    assert len({form.words for form in FORMS.values()}) == len(FORMS)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_form_is_recognised_by_its_file_and_by_its_folder(name: str, small: LabelTable, photographs: Path) -> None:
    labels = WRITTEN[name](small, photographs)
    assert recognise(photographs) == (name, labels)
    assert recognise(labels) == (name, labels)
    assert labels_of_form(photographs, name) == labels
    for other, form in FORMS.items():
        assert form.matches(labels) == (other == name), other


def test_labels_of_several_forms_need_a_choice(small: LabelTable, photographs: Path) -> None:
    for name in ("csv", "coco_json"):
        WRITTEN[name](small, photographs)
    words = r"expected labels of one form, found annotations\.json \(coco_json\), labels\.csv \(csv\); give the path"
    with pytest.raises(ValueError, match=words):
        recognise(photographs)
    assert labels_of_form(photographs, "csv") == photographs / "labels.csv"
    (photographs / "more.csv").write_text("image,x,y,w,h\n")
    with pytest.raises(ValueError, match=r"expected one CSV, found labels\.csv, more\.csv"):
        labels_of_form(photographs, "csv")


def test_other_csv_files_are_no_labels_but_named_ones_are_read(photographs: Path, small: LabelTable) -> None:
    WRITTEN["coco_json"](small, photographs)
    (photographs / "sizes.csv").write_text("image,width,height\n")
    assert recognise(photographs)[0] == "coco_json"
    assert recognise(photographs / "sizes.csv")[0] == "csv"


def test_what_is_no_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    with pytest.raises(
        ValueError,
        match=r"expected COCO JSON \(coco_json\), .*; found results.json: predictions as COCO results; wider8k predictions",
    ):
        recognise(tmp_path)
    with pytest.raises(FileNotFoundError, match="no labels at"):
        recognise(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="expected labels as VOC XML, found none"):
        labels_of_form(tmp_path, "voc")
    with pytest.raises(ValueError, match=r"no form of labels is called 'yol' \(did you mean 'yolo'"):
        labels_of_form(tmp_path, "yol")


def test_what_detect_writes_is_no_label_studio(tmp_path: Path) -> None:
    row = '{"image": "a.jpg", "width": 9, "height": 9, "boxes": [], "scores": [], "landmarks": []}'
    (tmp_path / "found.json").write_text(f"[\n{row}\n]\n")
    with pytest.raises(ValueError, match="found predictions as wider8k detect --json writes them; wider8k predictions"):
        recognise(tmp_path / "found.json")


def test_the_folder_of_yolo_texts_means_its_dataset(small: LabelTable, photographs: Path) -> None:
    WRITTEN["yolo"](small, photographs)
    assert recognise(photographs / "labels") == ("yolo", photographs)
    (photographs / "images").rename(photographs / "photos")
    with pytest.raises(ValueError, match="found deep/b.txt: text that starts with|found a.txt: text that starts with"):
        recognise(photographs / "labels")


def test_notes_beside_yolo_text_are_no_coco(small: LabelTable, photographs: Path) -> None:
    WRITTEN["yolo"](small, photographs)
    (photographs / "data.yaml").unlink()
    (photographs / "notes.json").write_text('{"categories": [{"id": 0, "name": "Face"}], "info": {"year": 2026}}')
    assert recognise(photographs) == ("yolo", photographs)
    (photographs / "notes.json").write_text('{"info": {"description": "' + "x" * HEAD + '"}, "images": []}')
    with pytest.raises(ValueError, match="found notes.json"):
        recognise(photographs)


def test_labels_of_another_form_are_named_with_the_parameter_that_reads_them(
    small: LabelTable, photographs: Path
) -> None:
    labels = WRITTEN["csv"](small, photographs)
    advice = f"; {labels} is CSV: --set <node>.dataset=csv reads it"
    assert advice_on_form(DATASETS["coco_json"](), str(photographs)) == advice
    assert advice_on_form(DATASETS["csv"](), str(photographs)) == ""
    assert advice_on_form(DATASETS["image_folder"](), str(photographs)) == ""
    assert advice_on_form(DATASETS["coco_json"](), str(photographs / "gone")) == ""
    labels.unlink()
    there = "; there: 3 images without labels; wider8k detect finds faces in images"
    assert advice_on_form(DATASETS["coco_json"](), str(photographs)) == there
    labels.write_text("a.jpg,1,2,3,4")
    assert advice_on_form(DATASETS["csv"](), str(photographs)) == ""
    assert advice_on_form(DATASETS["coco_json"](), str(photographs)).startswith(
        "; there: labels.csv: the heading 'a.jpg"
    )
