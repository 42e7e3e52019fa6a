"""Faces in CVAT's export "CVAT for images": one XML file, one ``<image>`` with its ``<box>`` elements each.

Parsed with xml.etree's iterparse, which holds one image at a time. CVAT's other exports (COCO, YOLO, PASCAL VOC) are
those forms. Datumaro reads this one too, with some forty other packages, and holds all of it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Final

from pipeline.data.datasets.labels.form import Form, head_of, number
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder, image_name
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.datasets.labels.rotated_box import enclosing
from pipeline.data.file_path import FilePath
from pipeline.data.text_lines import finite_numbers

_CORNERS: Final = ("xtl", "ytl", "xbr", "ybr")
_SHAPES: Final = ("polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton")


def read_cvat_xml(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a file; one with an attribute ``ignore`` of ``true`` is ignored.

    Of a rotated box the rectangle around it is taken, with a remark; other shapes are left out, with a remark.

    Raises OSError: the file cannot be read; ValueError: it is not of this form; the message gives file, line or image,
    expected and found.
    """
    builder, odd, root = LabelTableBuilder(), Counter[str](), None
    for event, element in _elements(file):
        if root is None:
            root = element
            if root.tag != "annotations":
                raise ValueError(f"{file}:1: expected <annotations>, found <{root.tag}>")
        elif event == "end" and element.tag == "image":
            _add(builder, file, element, odd)
            root.clear()
        elif event == "start" and element.tag == "track":
            raise ValueError(f"{file}: expected CVAT for images, found <track>: export the task as that")
    remarks = [f"{count} {what}" for what, count in sorted(odd.items())]
    return builder.build(file, options, remarks)


def _elements(file: FilePath) -> Iterator[tuple[str, ET.Element]]:
    """Yields the starts and ends of elements."""
    try:
        with file.open("rb") as stream:
            yield from ET.iterparse(stream, ("start", "end"))
    except ET.ParseError as error:
        raise ValueError(f"{file}:{error.position[0]}: expected XML of CVAT, found that {error}") from None
    except (LookupError, ValueError) as error:  # of the first line: "unknown encoding: .."
        raise ValueError(f"{file}:1: expected XML in UTF-8, found that {error}") from None


def _add(builder: LabelTableBuilder, file: FilePath, element: ET.Element, odd: Counter[str]) -> None:
    text = element.get("name") or ""
    name = image_name(text)
    if not text.strip() or name in builder:
        expected = "an image that is named once" if text.strip() else "a name"
        raise ValueError(f"{file}: <image id={element.get('id')!r}> name: expected {expected}, found {text!r}")
    sides = [element.get(side) or "" for side in ("width", "height")]
    if not all(side.isascii() and side.isdigit() and int(side) < 2**31 for side in sides):
        raise ValueError(f"{file}: {name}: expected width and height in pixels, found {sides}")
    image = builder.image(name, (int(sides[0]), int(sides[1])))
    for count, each in enumerate(element.findall("box"), start=1):
        box = _box(f"{file}: {name}: box {count}", each.attrib, odd)
        builder.face(image, box, each.get("label") or "", _ignored(f"{file}: {name}: box {count}", each))
    if others := sum(len(element.findall(shape)) for shape in _SHAPES):
        odd["polygons, points and other shapes are left out"] += others


def _box(where: str, attributes: Mapping[str, str], odd: Counter[str]) -> list[float]:
    texts = [attributes.get(corner, "") for corner in _CORNERS]
    numbers, turned = finite_numbers(texts), finite_numbers([attributes.get("rotation", "0")])
    if not numbers or not turned:
        rotation = attributes.get("rotation")
        raise ValueError(f"{where}: expected numbers {', '.join(_CORNERS)}, found {texts}, rotation {rotation!r}")
    if not turned[0]:
        return numbers
    odd["boxes are rotated; the rectangles around them are taken"] += 1
    x1, y1, x2, y2 = numbers
    return enclosing((x1, y1, x2, y2), turned[0], ((x1 + x2) / 2, (y1 + y2) / 2))


def _ignored(where: str, box: ET.Element) -> bool:
    for attribute in box.findall("attribute"):
        if (attribute.get("name") or "").lower() == "ignore":
            text = (attribute.text or "").strip().lower()
            if text not in ("true", "false"):
                raise ValueError(f"{where}: expected true or false in the attribute ignore, found {text!r}")
            return text == "true"
    return False


def write_cvat_xml(table: LabelTable, folder: Path) -> Path:
    """Writes ``annotations.xml``, image by image, as CVAT imports it; an ignored face has an attribute ``ignore``."""
    file = folder / "annotations.xml"
    with file.open("wb") as stream:
        stream.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        for position, name in enumerate(table.names):
            width, height = map(str, table.sizes[position].tolist())
            image = ET.Element("image", {"id": str(position), "name": name, "width": width, "height": height})
            rows = table.rows(position)
            for box, ignored in zip(table.boxes[rows].tolist(), table.ignored[rows].tolist(), strict=True):
                corners = dict(zip(_CORNERS, map(number, box), strict=True))
                each = ET.SubElement(image, "box", {"label": "face", "occluded": "0", **corners, "z_order": "0"})
                if ignored:
                    ET.SubElement(each, "attribute", {"name": "ignore"}).text = "true"
            ET.indent(image)
            stream.write(ET.tostring(image, encoding="utf-8") + b"\n")
        stream.write(b"</annotations>\n")
    return file


class CvatXml(LabelledFiles):
    """Your own labelled images as CVAT exports them, see `read_cvat_xml`."""

    label_form: ClassVar[Form] = Form(
        words="CVAT for images",
        matches=lambda path: "<annotations>" in head_of(path, ".xml"),
        read=read_cvat_xml,
        write=write_cvat_xml,
        keeps_ignored=True,
        ending=".xml",
        needs_sizes=True,
    )
