from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.label_table import LabelOptions
from pipeline.data.datasets.labels.voc_xml import read_voc_xml


def face(box: str, name: str = "face", more: str = "") -> str:
    places = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    corners = "".join(f"<{place}>{number}</{place}>" for place, number in places)
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox>{more}</object>"


def write(folder: Path, image: str, *objects: str) -> None:
    (folder / f"{image}.xml").write_text(f"<annotation><filename>x.jpg</filename>{''.join(objects)}</annotation>")


def test_boxes_difficult_faces_and_empty_images(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part>"
    write(tmp_path, "b", face("1 2 3 4"), face("5 6 7.5 8", more=f"<difficult>1</difficult>{part}"))
    write(tmp_path, "a")
    labels = read_voc_xml(tmp_path).box_labels()
    assert labels.image_ids == ("a", "b")
    assert labels.boxes[1].tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert labels.ignored[1].tolist() == [False, True]


def test_one_name_of_several_is_chosen(tmp_path: Path) -> None:
    write(tmp_path, "a", face("1 2 3 4", "with_mask"), face("5 6 7 8", "hat"), face("1 1 2 2", "hat"))
    with pytest.raises(ValueError, match=r"expected objects of one name, found hat \(2\), with_mask \(1\); --category"):
        read_voc_xml(tmp_path)
    assert read_voc_xml(tmp_path, LabelOptions(("with_mask",))).boxes.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(ValueError, match="expected objects named 'face', found"):
        read_voc_xml(tmp_path, LabelOptions(("face",)))


@pytest.mark.wider
def test_real_files(shared: Path) -> None:
    folder = next(iter(sorted((shared / "data/large_images").rglob("*.xml")))).parent
    labels = read_voc_xml(folder, LabelOptions(("with_mask",))).box_labels()
    assert labels.faces > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation>\n<object>", ":2: expected XML of PASCAL VOC"),
        ("<html></html>", ":1: expected <annotation>, found <html>"),
        (f"<annotation>{face('1 2 3 x')}</annotation>", ": object 1: expected numbers in <bndbox> xmin, ymin"),
        (
            f"<annotation>{face('1 2 3 4', more='<difficult>no</difficult>')}</annotation>",
            ": object 1: expected 0 or 1 in <difficult>, found 'no'",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_voc_xml(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'a.xml'}{words}")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected <image>\.xml"):
        read_voc_xml(tmp_path)
