"""Statistics of how labelled boxes fit their images, over a whole set: contradictions, and oddities.

A box is read as x, y, width, height. Of another form (corners, or a centre) most numbers still make boxes, of wrong
sizes and positions: an AP near zero, and no error. Such boxes are found because they reach out of their images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.data.datasets.dataset import set_option
from pipeline.data.schemas import CORNERS, LEVELS

SLACK: Final = 0.02  # of a side: labels reach a little out of their image
SLACK_PIXELS: Final = 2.0
OUT_SHARE: Final = 0.25  # of the faces; where more reach out, boxes and images do not match
UNIT_SLACK: Final = 0.05  # likewise for boxes that are shares of their image
FEW: Final = 20  # least faces for which an empty far half of all images is odd

Flags = NDArray[np.bool_]
Float64 = NDArray[np.float64]


def overlaps_image(boxes_F4: NDArray[Any], width: int, height: int) -> Flags:
    """Returns bool [F]: whether a box has an area and shares some of it with its image, so that it can be found.

    Boxes are xyxy in pixels of an image of ``width`` x ``height``, zeros where that is unknown.
    """
    x1, y1, x2, y2 = boxes_F4.T
    flat = (x2 <= x1) | (y2 <= y1)
    outside = (x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height)
    overlapping: Flags = ~flat & ~outside if width else ~flat
    return overlapping


@dataclass
class LabelFit:
    """Counts over the readable images of a set; images are added table by table."""

    images: int = 0  # images with faces
    faces: int = 0  # labelled boxes
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))  # subset -> faces
    flat: int = 0  # boxes without an area
    outside: int = 0  # boxes with one, all of it outside their image
    out: int = 0  # boxes that reach out of their image by more than `SLACK`, those outside included
    corners: int = 0  # boxes that would lie inside if their last two numbers were the lower right corner
    centres: int = 0  # boxes that would if their first two numbers were their centre
    widths: int = 0  # boxes whose corners would lie inside as x, y, width, height
    unit: int = 0  # boxes all of whose numbers are between 0 and 1, or nearly so
    reach: tuple[float, float] = (0.0, 0.0)  # greatest right and lower edge, as shares of the image's sides
    first: dict[str, str] = field(default_factory=dict)  # kind of oddity -> the first one, for people

    def add(self, table: pa.Table) -> None:
        """Adds the readable images of a table of `schemas.SAMPLES`."""
        usable = [width > 0 for width in table["width"].to_pylist()]
        table = table.filter(pa.array(usable, pa.bool_()))
        lengths = np.array([len(row) for row in table[CORNERS[0]]], np.int64)
        names = np.repeat(np.array(table["image_id"].to_pylist(), object), lengths)
        sides_F2 = np.stack([np.repeat(_numbers(table[side]), lengths) for side in ("width", "height")], axis=1)
        boxes_F4 = np.stack([_numbers(pc.list_flatten(table[name])) for name in CORNERS], axis=1)
        for level in LEVELS:
            self.counted[level] += int(np.count_nonzero(_numbers(pc.list_flatten(table[level]))))
        self.images += int(np.count_nonzero(lengths))
        self.faces += len(boxes_F4)
        self._count(names, boxes_F4, sides_F2)

    def _count(self, names: NDArray[Any], boxes_F4: Float64, sides_F2: Float64) -> None:
        start_F2, end_F2 = boxes_F4[:, :2], boxes_F4[:, 2:]
        size_F2 = end_F2 - start_F2
        slack_F2 = np.maximum(SLACK * sides_F2, SLACK_PIXELS)

        def inside(first_F2: Float64, last_F2: Float64) -> Flags:
            fits = (first_F2 >= -slack_F2) & (last_F2 <= sides_F2 + slack_F2) & (last_F2 > first_F2)
            return np.asarray(fits.all(axis=1), bool)

        flat = (size_F2 <= 0).any(axis=1)
        outside = ~flat & ((end_F2 <= 0) | (start_F2 >= sides_F2)).any(axis=1)
        out = ~flat & ~inside(start_F2, end_F2)
        self.flat += int(flat.sum())
        self.outside += int(outside.sum())
        self.out += int(out.sum())
        self.corners += int(inside(start_F2, size_F2).sum())
        self.centres += int(inside(start_F2 - size_F2 / 2, start_F2 + size_F2 / 2).sum())
        self.widths += int(inside(start_F2, start_F2 + end_F2).sum())
        shares = (start_F2 >= -UNIT_SLACK) & (start_F2 <= 1) & (size_F2 <= 1 + UNIT_SLACK) & (size_F2 >= 0)
        self.unit += int(shares.all(axis=1).sum())
        if len(boxes_F4):
            right, lower = (end_F2 / sides_F2).max(axis=0).tolist()
            self.reach = max(self.reach[0], right), max(self.reach[1], lower)
        for kind, flags in (("flat", flat), ("outside", outside), ("out", out)):
            if flags.any() and kind not in self.first:
                row = int(flags.argmax())
                numbers = ", ".join(f"{each:g}" for each in (*start_F2[row], *size_F2[row]))
                wide, high = (int(side) for side in sides_F2[row])
                self.first[kind] = f"[{numbers}] in {names[row]} of {wide} x {high} pixels"

    def contradiction(self, forms: Mapping[str, str]) -> str | None:
        """Returns why these boxes cannot be x, y, width, height in pixels of these images, or None where they can.

        ``forms`` has advice on the command line option for "corners", "centre", "relative"; others have to be
        converted.
        """
        likely = self._form()
        if likely is None and self.out <= OUT_SHARE * self.faces:
            if self.flat <= max(1, OUT_SHARE * self.faces):
                return None
            found = f"{self.flat} of {self.faces} boxes have no area, such as {self.first['flat']}"
            if self.widths >= 0.99 * self.faces:
                return f"expected corners, found that {found}; they fit as x, y, width, height: name them so"
            return f"expected x, y, width, height in pixels, found that {found}: are they of another form?"
        found = f"{self.out} of {self.faces} boxes reach out of their image, such as {self.first.get('out')}"
        if likely is None:
            return f"expected boxes in pixels of their images, found that {found}: are they of images of another size?"
        if likely == "relative":
            found = f"all {self.faces} boxes have numbers between 0 and 1"
        helps = forms.get(likely) or "convert them to x, y, width, height in pixels"
        meaning = {
            "corners": "they fit as x1, y1, x2, y2",
            "centre": "they fit as centre x, centre y, width, height",
            "relative": "they look like shares of the image's sides",
        }[likely]
        return f"expected x, y, width, height in pixels, found that {found}; {meaning}: {helps}"

    def _form(self) -> str | None:
        if not self.faces:
            return None
        if self.unit == self.faces:
            return "relative"
        nearly_all = 0.99 * (self.faces - self.flat)  # in some programs rows of zeros mean no face
        if self.out >= max(1, 0.1 * self.faces) and self.corners >= nearly_all:
            return "corners"
        if self.out >= max(2, 0.02 * self.faces) and self.centres >= nearly_all:
            return "centre"
        return None

    def review(self, where: str, forms: Mapping[str, str], doubts: str, counts_nowhere: bool) -> list[str]:
        """Returns the remarks and the contradiction; by doubts "refuse" that is a ValueError at ``where``."""
        doubt = self.contradiction(forms)
        if doubt and doubts == "refuse":
            raise ValueError(f"{where}: {doubt}; {set_option('doubts', 'report')} goes on with them")
        return [*self.remarks(counts_nowhere), *([doubt] if doubt else [])]

    def remarks(self, counts_nowhere: bool) -> list[str]:
        """Returns the totals, and oddities, one line each; boxes that cannot be found may count nowhere."""
        counted = ", ".join(f"{level} {number:,}" for level, number in self.counted.items())
        lines = [f"{self.faces:,} faces in {self.images:,} images; of them count: {counted}"]
        if lost := self.flat + self.outside:
            where = "they count in no subset" if counts_nowhere else "kept as published"
            first = self.first.get("flat") or self.first.get("outside")
            lines.append(
                f"{self.flat} boxes have no area and {self.outside} lie outside their image, {where}; the first "
                f"{'one' if lost == 1 else f'of {lost}'} is {first}"
            )
        if beyond := self.out - self.outside:
            fits = self.centres == self.faces - self.flat
            all_fit = "; all would lie inside if x and y were their centres" if beyond > 1 and fits else ""
            first = self.first["out"]
            lines.append(f"{beyond} boxes reach out of their image; the first one that does is {first}{all_fit}")
        if self.faces >= FEW and max(self.reach) <= 0.5 + SLACK:
            right, lower = (f"{100 * share:.0f} %" for share in self.reach)
            nothing = f"no box reaches beyond {right} of an image's width and {lower} of its height"
            lines.append(f"{nothing}: are the labels of images of a smaller size?")
        if self.faces and not any(self.counted.values()):
            lines.append("no face counts in any subset, so there is no AP: all are ignored, too small or misplaced")
        return lines


def _numbers(column: pa.ChunkedArray) -> Float64:
    chunks = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate([np.zeros(0), *chunks]).astype(np.float64)
