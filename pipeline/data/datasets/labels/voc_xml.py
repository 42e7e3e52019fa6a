"""Faces in the XML files of PASCAL VOC: one file per image, one ``<object>`` per face.

Parsed with xml.etree, whose C parser holds one small file at a time. lxml is no faster here and another dependency;
torchvision's VOCDetection wants the whole kit's layout, and xmltodict keeps no place for a message.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import ClassVar

from pipeline.data.datasets.entries import Entry
from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.form import Form, head_of, number
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder, image_name
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.file_path import FilePath, read_all
from pipeline.data.text_lines import finite_numbers

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc_xml(folder: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of every ``.xml`` below a folder.

    An image has the path of its file, with the ending of ``<filename>`` where that has the same name. A face with
    ``<difficult>1</difficult>`` is ignored. Corners are taken as they are written; boxes of an object's parts are not
    read.

    Args:
        folder: such as ``VOC2007/Annotations``.
        options: the names of the objects that are faces.

    Raises FileNotFoundError: no such file; ValueError: a file that is not of this form, or objects of several names;
    the message gives file, line where there is one, expected and found.
    """
    files = sorted(path for path, _ in scan(folder) if path.lower().endswith(".xml"))
    if not files:
        raise FileNotFoundError(f"{folder}: expected <image>.xml of PASCAL VOC, found none")
    builder = LabelTableBuilder()
    for path, data in zip(files, read_all([folder / path for path in files]), strict=True):
        _add(builder, folder / path, path, data)
    return builder.build(folder, options)


def _add(builder: LabelTableBuilder, file: FilePath, path: str, data: bytes) -> None:
    """Adds the image of one file, which is ``path`` below the folder of the labels and holds these bytes."""
    try:
        root = ET.fromstring(data)
    except ET.ParseError as error:
        raise ValueError(f"{file}:{error.position[0]}: expected XML of PASCAL VOC, found that {error}") from None
    except (LookupError, ValueError) as error:  # of the first line: "unknown encoding: .."
        raise ValueError(f"{file}:1: expected XML in UTF-8, found that {error}") from None
    if root.tag != "annotation":
        raise ValueError(f"{file}:1: expected <annotation>, found <{root.tag}>")
    stem = PurePosixPath(path).with_suffix("")
    named = PurePosixPath(image_name(root.findtext("filename") or ""))
    name = f"{stem}{named.suffix}" if named.stem == stem.name else str(stem)
    if name in builder:
        raise ValueError(f"{file}: expected the image of this file only, found {name} in another one too")
    image = builder.image(name, _size(root, file))
    for box, category, difficult in _objects(root, file):
        builder.face(image, box, category, difficult)


def _size(root: ET.Element, file: FilePath) -> tuple[int, int]:
    texts = [(root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    if not all(text.strip("0") for text in texts):  # absent, or 0 as some programs write for unknown
        return 0, 0
    sides = finite_numbers(texts)
    if len(sides) != 2 or any(side != int(side) or not 0 < side < 2**31 for side in sides):
        raise ValueError(f"{file}: expected whole numbers of pixels in <size> width, height, found {texts}")
    return int(sides[0]), int(sides[1])


def _objects(root: ET.Element, file: FilePath) -> Iterator[tuple[list[float], str, bool]]:
    """Yields corners, name and whether it is difficult, of every object."""
    for count, each in enumerate(root.findall("object"), start=1):
        texts = [(each.findtext(f"bndbox/{name}") or "").strip() for name in _CORNERS]
        box = finite_numbers(texts)
        if not box:
            expected = f"expected numbers in <bndbox> {', '.join(_CORNERS)}"
            raise ValueError(f"{file}: object {count}: {expected}, found {texts}")
        difficult = (each.findtext("difficult") or "0").strip()
        if difficult not in ("0", "1"):
            raise ValueError(f"{file}: object {count}: expected 0 or 1 in <difficult>, found {difficult!r}")
        yield box, (each.findtext("name") or "").strip(), difficult == "1"


def write_voc_xml(table: LabelTable, folder: Path) -> Path:
    """Writes ``Annotations/<image>.xml``, corners as they are. Raises ValueError: two images share such a file."""
    out, written = folder / "Annotations", set[str]()
    for position, name in enumerate(table.names):
        path = PurePosixPath(name).with_suffix(".xml").as_posix()
        if path in written:
            raise ValueError(f"{name}: expected images that differ in more than their ending, found two of {path}")
        written.add(path)
        root = ET.Element("annotation")
        ET.SubElement(root, "filename").text = PurePosixPath(name).name
        size = ET.SubElement(root, "size")
        for side, value in zip(("width", "height"), table.sizes[position].tolist(), strict=True):
            ET.SubElement(size, side).text = str(value)
        ET.SubElement(size, "depth").text = "3"
        rows = table.rows(position)
        for box, ignored in zip(table.boxes[rows].tolist(), table.ignored[rows].tolist(), strict=True):
            each = ET.SubElement(root, "object")
            ET.SubElement(each, "name").text = "face"
            ET.SubElement(each, "difficult").text = str(int(ignored))
            corners = ET.SubElement(each, "bndbox")
            for corner, value in zip(_CORNERS, box, strict=True):
                ET.SubElement(corners, corner).text = number(value)
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        ET.indent(root)
        (out / path).write_bytes(ET.tostring(root, encoding="utf-8"))
    return out


def _matches(path: FilePath) -> bool:
    """Returns whether a folder has XML files of VOC: in it, or below where its name is Annotations."""
    if not path.is_dir():
        return False
    pattern = "**/*.xml" if path.name.lower() == "annotations" else "*.xml"
    head = next((head_of(file, ".xml") for file in path.glob(pattern)), "")
    return "<annotation>" in head or "<annotation " in head


class VocXml(LabelledFiles):
    """Your own labelled images with an XML file of PASCAL VOC each, see `read_voc_xml`."""

    label_form: ClassVar[Form] = Form(
        words="VOC XML", matches=_matches, read=read_voc_xml, write=write_voc_xml, keeps_ignored=True
    )

    def _opened(self, folder: FilePath) -> Callable[[Entry], tuple[LabelTable, int]]:
        labels = self.labels_path(folder)

        def one(entry: Entry) -> tuple[LabelTable, int]:
            builder, path = LabelTableBuilder(), f"{PurePosixPath(entry.image_id).with_suffix('')}.xml"
            with suppress(FileNotFoundError):
                _add(builder, labels / path, path, (labels / path).read_bytes())
            if entry.image_id not in builder:  # another case of the ending, or a dot in the name
                table = self._table(folder, labels)
                return table, table.names.index(entry.image_id)
            return builder.build(labels / path, self._options(), strict=False).without_repeats(), 0

        return one
