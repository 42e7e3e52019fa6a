from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.label_table import LabelOptions
from pipeline.data.datasets.labels.voc_xml import VocXml, read_voc_xml


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
        (
            "<?xml version='1.0' encoding='uf-8'?><annotation/>",
            ":1: expected XML in UTF-8, found that unknown encoding",
        ),
        ("<?xml version='1.0' encoding='gb2312'?><annotation/>", ":1: expected XML in UTF-8, found that multi-byte"),
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


def test_names_have_the_ending_that_the_file_names(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    sized = "<size><width>80</width><height>{}</height></size>"
    (tmp_path / "day/1.xml").write_text(f"<annotation><filename>1.PNG</filename>{sized.format(60)}</annotation>")
    (tmp_path / "2.xml").write_text(f"<annotation><filename>other.jpg</filename>{sized.format(0)}</annotation>")
    table = read_voc_xml(tmp_path)
    assert (table.names, table.sizes.tolist()) == (("2", "day/1.PNG"), [[0, 0], [80, 60]])


def test_a_file_is_read_alone_whatever_the_dots_in_its_name(tmp_path: Path, photographs: Path) -> None:
    image = (photographs / "images/a.jpg").read_bytes()
    for name in ("x", "x.y"):
        (tmp_path / f"{name}.jpg").write_bytes(image)
        (tmp_path / f"{name}.xml").write_text(f"<annotation>{face(f'1 2 {len(name)} 40')}</annotation>")
    data = VocXml()
    read = data.open(str(tmp_path))
    assert [(entry.image_id, read(entry).boxes[0, 2]) for entry in data.entries(str(tmp_path))] == [
        ("x", 1),
        ("x.y", 3),
    ]
