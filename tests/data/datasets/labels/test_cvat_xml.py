from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.cvat_xml import CvatXml, read_cvat_xml
from pipeline.data.datasets.labels.label_table import LabelOptions

BOX = '<box label="face" source="manual" occluded="1" xtl="1" ytl="2.5" xbr="30" ybr="40" z_order="0"{}>{}</box>'
ODD = '<attribute name="ignore">no</attribute>'
IMAGE = '<image id="{}" name="{}" width="80" height="70">{}</image>'


def _write(folder: Path, *images: str) -> Path:
    file = folder / "annotations.xml"
    meta = "<version>1.1</version><meta><task><labels><label><name>face</name></label></labels></task></meta>"
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    file.write_text(f"{head}<annotations>{meta}{''.join(images)}</annotations>", encoding="utf-8")
    return file


def test_boxes_sizes_and_ignored_faces(tmp_path: Path) -> None:
    ignore = '<attribute name="pose">side</attribute><attribute name="Ignore">{}</attribute>'
    boxes = BOX.format("", ignore.format("true")) + BOX.format("", ignore.format("false"))
    file = _write(tmp_path, IMAGE.format(0, "day/1.jpg", boxes), IMAGE.format(1, "2.jpg", ""))
    table = read_cvat_xml(file)
    assert (table.names, table.sizes.tolist()) == (("day/1.jpg", "2.jpg"), [[80, 70], [80, 70]])
    assert table.boxes.tolist() == [[1, 2.5, 30, 40]] * 2
    assert (table.ignored.tolist(), table.remarks) == ([True, False], ())
    assert CvatXml.label_form.matches(file)


def test_rotated_boxes_and_other_shapes_are_remarks(tmp_path: Path) -> None:
    turned = '<box label="face" xtl="10" ytl="20" xbr="30" ybr="30" rotation="90"/>'
    shapes = '<polygon label="face" points="1,2;3,4;5,6"/><points label="face" points="1,2"/>'
    table = read_cvat_xml(_write(tmp_path, IMAGE.format(0, "a.jpg", turned + shapes)))
    assert table.boxes[0].tolist() == pytest.approx([15, 15, 25, 35])
    assert table.remarks == (
        "1 boxes are rotated; the rectangles around them are taken",
        "2 polygons, points and other shapes are left out",
    )


def test_one_of_several_labels(tmp_path: Path) -> None:
    hand = BOX.format("", "").replace("face", "hand")
    file = _write(tmp_path, IMAGE.format(0, "a.jpg", hand + BOX.format("", "")))
    assert len(read_cvat_xml(file, LabelOptions(("hand",))).boxes) == 1
    with pytest.raises(ValueError, match=r"expected objects of one name, found hand \(1\), face \(1\)"):
        read_cvat_xml(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<annotations>\n<image>", ":2: expected XML of CVAT, found that "),
        (
            "<?xml version='1.0' encoding='uf-8'?><annotations/>",
            ":1: expected XML in UTF-8, found that unknown encoding",
        ),
        ("<?xml version='1.0' encoding='gb2312'?><annotations/>", ":1: expected XML in UTF-8, found that multi-byte"),
        ("<html/>", ":1: expected <annotations>, found <html>"),
        ("<annotations><track id='0'/></annotations>", ": expected CVAT for images, found <track>: export the task"),
        (f"<annotations>{IMAGE.format(3, ' ', '')}</annotations>", ": <image id='3'> name: expected a name, found ' '"),
        (
            f"<annotations>{IMAGE.format(0, 'a', '') + IMAGE.format(1, 'a', '')}</annotations>",
            ": <image id='1'> name: expected an image that is named once, found 'a'",
        ),
        (
            f"<annotations>{IMAGE.format(0, 'a', '').replace('80', 'x')}</annotations>",
            ": a: expected width and height in pixels, found ['x', '70']",
        ),
        (
            f"<annotations>{IMAGE.format(0, 'a', BOX.format('', '').replace('2.5', 'x'))}</annotations>",
            ": a: box 1: expected numbers xtl, ytl, xbr, ybr, found ['1', 'x', '30', '40']",
        ),
        (
            f"<annotations>{IMAGE.format(0, 'a', BOX.format('', ODD))}</annotations>",
            ": a: box 1: expected true or false in the attribute ignore, found 'no'",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "annotations.xml"
    file.write_text(content)
    with pytest.raises(ValueError, match="expected") as error:
        read_cvat_xml(file)
    assert str(error.value).startswith(f"{file}{words}")
