"""The columns of a CSV file of boxes, labelled or predicted, by the names that programs give them.

The first of some names is the pipeline's own: where a heading has it, the others are free columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.data.text_lines import finite_numbers

IMAGE: Final = (
    *("image", "image_id", "imageid", "image_name", "image_path", "image_file", "img", "img_path"),
    *("filename", "file_name", "file", "filepath", "file_path", "path"),
)
CATEGORY: Final = ("category", "category_id", "class", "class_id", "class_name", "label", "labelname")
SCORE: Final = ("score", "confidence", "conf", "probability")
CORNERS: Final = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"))
_SIZES: Final = (("x", "y", "w", "h"), ("bbox_x", "bbox_y", "bbox_width", "bbox_height"))
# Where no other columns are the box; else width and height are the image's.
_SIDES: Final = (("x", "y", "width", "height"), ("left", "top", "width", "height"), ("xmin", "ymin", "width", "height"))


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """What the heading of a file has.

    Attributes:
        names: of all columns, in lower case.
        delimiter: between them.
        images: the columns that may be the image's name.
        boxes: those that may be the box, each as four, and whether they are corners; else x, y, width, height.
        categories: those that may be the object's name.
        scores: those that may be the score, which predictions have and labels do not.
    """

    names: tuple[str, ...]
    delimiter: str
    images: tuple[str, ...]
    boxes: tuple[tuple[tuple[str, ...], bool], ...]
    categories: tuple[str, ...]
    scores: tuple[str, ...]

    def present(self, names: Sequence[str]) -> tuple[str, ...]:
        """Returns those of the names that the heading has."""
        return tuple(name for name in names if name in self.names)

    @property
    def advice(self) -> str:
        """What to do where the first line is no heading, "" where it may be one."""
        return (
            "; that is a row: write the heading above it" if any(finite_numbers([name]) for name in self.names) else ""
        )

    def choices(self, *more: Sequence[str]) -> str:
        """Returns the columns of which only one can count, for a message: "" where each is there once at most."""
        several = [*more, self.images, ["/".join(box) for box, _ in self.boxes], self.categories]
        return " and ".join(", ".join(each) for each in several if len(each) > 1)


def read_heading(line: str) -> BoxColumns:
    """Returns the columns of a first line; names are compared in any case, the delimiter is ``,``, ``;`` or a tab."""
    line = next(iter(line.removeprefix("\ufeff").splitlines()), "")  # an old Mac's lines end in a carriage return
    delimiter = next((each for each in (",", ";", "\t") if each in line), ",")
    words = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    names = tuple(word.strip().lower() for word in words)
    boxes = [(box, True) for box in CORNERS if set(box) <= set(names)]
    boxes += [(box, False) for box in _SIZES if set(box) <= set(names)]
    boxes = boxes or [(box, False) for box in _SIDES if set(box) <= set(names)]
    own = [each for each in boxes if each[0] in (CORNERS[0], _SIZES[0])]
    images, categories, scores = (tuple(name for name in each if name in names) for each in (IMAGE, CATEGORY, SCORE))
    return BoxColumns(
        names=names,
        delimiter=delimiter,
        images=images[:1] if IMAGE[0] in images else images,
        boxes=tuple(own or boxes),
        categories=categories[:1] if CATEGORY[0] in categories else categories,
        scores=scores,
    )


def cells_found(cells: Sequence[str], delimiter: str) -> str:
    """Returns cells that are no numbers for a message, as the file has them, and what to do about decimal commas."""
    commas = any("," in cell for cell in cells) and finite_numbers(cell.replace(",", ".") for cell in cells if cell)
    return repr(delimiter.join(cells)[:80]) + ("; write decimals with a point" if commas else "")
