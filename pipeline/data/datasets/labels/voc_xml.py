"""Faces in the XML files of PASCAL VOC: one file per image, one ``<object>`` per face."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc_xml(folder: Path, category: str | None = None) -> BoxLabels:
    """Returns the faces of every ``.xml`` of a folder; an image has the name of its file.

    A face with ``<difficult>1</difficult>`` is ignored. Boxes of an object's parts are not read.

    Args:
        folder: such as ``VOC2007/Annotations``.
        category: name of the objects that are faces; None where all have one name.

    Raises FileNotFoundError: no such file; ValueError: a file that is not of this form, or objects of several names;
    the message gives file, line where there is one, expected and found.
    """
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise FileNotFoundError(f"{folder}: expected <image>.xml of PASCAL VOC, found none")
    found = [(file, _objects(file)) for file in files]
    names = Counter(name for _, objects in found for name, _, _ in objects)
    if category is None and len(names) > 1:
        shown = ", ".join(f"{name} ({count})" for name, count in names.most_common())
        raise ValueError(f"{folder}: expected objects of one name, found {shown}; --category NAME takes one")
    if category is not None and category not in names:
        raise ValueError(f"{folder}: expected objects named {category!r}, found {sorted(names)}")
    images = []
    for file, objects in found:
        faces = [(box, difficult) for name, box, difficult in objects if category in (None, name)]
        flags = np.array([difficult for _, difficult in faces], bool)
        images.append((file.stem, np.array([box for box, _ in faces], np.float64), flags))
    return BoxLabels.of(images)


def _objects(file: Path) -> list[tuple[str, list[float], bool]]:
    """Returns name, corners and whether it is difficult, of every object of a file."""
    try:
        root = ET.fromstring(file.read_bytes())
    except ET.ParseError as error:
        raise ValueError(f"{file}:{error.position[0]}: expected XML of PASCAL VOC, found that {error}") from None
    if root.tag != "annotation":
        raise ValueError(f"{file}:1: expected <annotation>, found <{root.tag}>")
    found = []
    for number, each in enumerate(root.findall("object"), start=1):
        where = f"{file}: object {number}"
        texts = [(each.findtext(f"bndbox/{name}") or "").strip() for name in _CORNERS]
        try:
            box = [float(text) for text in texts]
        except ValueError:
            box = [math.nan]
        if not all(map(math.isfinite, box)):
            raise ValueError(f"{where}: expected numbers in <bndbox> {', '.join(_CORNERS)}, found {texts}")
        difficult = (each.findtext("difficult") or "0").strip()
        if difficult not in ("0", "1"):
            raise ValueError(f"{where}: expected 0 or 1 in <difficult>, found {difficult!r}")
        found.append(((each.findtext("name") or "").strip(), box, difficult == "1"))
    return found
