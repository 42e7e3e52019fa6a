"""The predictions of many images as flat columns: what every form is read into and written from.

A box takes 56 bytes, so that 3,226 images with a thousand boxes each fit into 200 MB. A parser adds blocks of rows, of
any images in any order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.image_names import plain_name
from pipeline.data.prediction_set import PredictionSet

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """Predictions as a source names and orders them.

    Attributes:
        names: I images, each once, with forward slashes and without ``./`` before them.
        offsets: int64 [I + 1], the first row of each image and, last, the number of rows.
        boxes: float64 [N, 4] xyxy in pixels of the original image; shares of its sides where ``relative``.
        scores: float64 [N], any range, in the order of the source within an image.
        positions: int64 [N], place of each row in the source, which decides between equal scores.
        sizes: int32 [I, 2], width and height in pixels as the source has them, zeros where it does not.
        relative: whether boxes are shares of the image's sides.
        errors: image -> why it has no detections, as a dump records it.
        unreadable: of these, the images that have no size either.
        remarks: oddities, one line each.
    """

    names: tuple[str, ...]
    offsets: Int64
    boxes: Float64
    scores: Float64
    positions: Int64
    sizes: NDArray[np.int32]
    relative: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.names)

    def by_image(self) -> Iterator[tuple[str, Float64, Float64]]:
        """Yields name, boxes [n, 4] xyxy, scores [n] of each image, by falling score; equal ones keep their order."""
        order = np.lexsort((self.positions, -self.scores, np.repeat(np.arange(len(self)), np.diff(self.offsets))))
        bounds = self.offsets.tolist()
        for place, name in enumerate(self.names):
            rows = order[bounds[place] : bounds[place + 1]]
            yield name, self.boxes[rows], self.scores[rows]

    def prediction_set(self) -> PredictionSet:
        """Returns the rows in the order of the table; boxes are in pixels."""
        return PredictionSet(self.names, self.offsets, self.boxes, self.scores)

    def take(
        self, places: Sequence[int], names: Sequence[str], sizes: NDArray[np.int32] | None = None
    ) -> PredictionTable:
        """Returns the images at these places under new names; -1 is an image without rows.

        Args:
            places: [I] of the images, none but -1 twice.
            names: [I].
            sizes: int32 [I, 2] for images whose size the table lacks; zeros where unknown.
        """
        chosen = np.array(places, np.int64).reshape(-1)
        known = np.maximum(chosen, 0)
        there = chosen >= 0
        lengths = np.where(there, np.diff(self.offsets, append=self.offsets[-1])[known], 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[known] - offsets[:-1], lengths)
        own = np.where(there[:, None], np.concatenate([self.sizes, np.zeros((1, 2), np.int32)])[known], 0)
        if sizes is not None:
            own = np.where((own > 0).all(axis=1, keepdims=True), own, sizes)
        return replace(
            self,
            names=tuple(names),
            offsets=offsets,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            positions=self.positions[rows],
            sizes=own.astype(np.int32),
        )

    def in_pixels(self, advice: str = "") -> PredictionTable:
        """Returns the table in pixels.

        Raises ValueError: boxes are shares, and the size of an image that has some is unknown; ends in ``advice``.
        """
        if not self.relative:
            return self
        counts = np.diff(self.offsets)
        if unknown := np.flatnonzero((counts > 0) & (self.sizes <= 0).any(axis=1)).tolist():
            raise ValueError(
                f"expected the sizes of the images, for boxes are shares of their sides; found none of "
                f"{len(unknown)} of {len(self)} images, the first is {self.names[unknown[0]]}{advice}"
            )
        scale_N4 = np.repeat(np.tile(self.sizes.astype(np.float64), 2), counts, axis=0)
        return replace(self, boxes=self.boxes * scale_N4, relative=False)


class PredictionTableBuilder:
    """Collects blocks of rows."""

    def __init__(self, relative: bool = False) -> None:
        """Makes an empty one; ``relative``: boxes are shares of the image's sides."""
        self._relative = relative
        self._images: dict[str, int] = {}
        self._numbers: dict[str, int] = {}  # by the name as it is written
        self._sizes = array("i")
        self._rows: list[Int64] = []
        self._boxes: list[Float64] = []
        self._scores: list[Float64] = []

    def image(self, name: str, size: tuple[int, int] = (0, 0)) -> int:
        """Returns the number of an image, added where it is new, ``size`` as width and height."""
        if (number := self._numbers.get(name)) is None:
            number = self._numbers[name] = self._images.setdefault(plain_name(name), len(self._images))
            if 2 * number == len(self._sizes):
                self._sizes.extend(size)
        return number

    def __contains__(self, name: str) -> bool:
        """Returns whether an image has been added."""
        return plain_name(name) in self._images

    def add(self, images: Int64, boxes: Float64, scores: Float64) -> None:
        """Adds rows in the order of the source: the number of each one's image [n], boxes [n, 4] xyxy, scores [n]."""
        self._rows.append(images)
        self._boxes.append(boxes)
        self._scores.append(scores)

    def build(self, remarks: Sequence[str] = ()) -> PredictionTable:
        """Returns the table; the rows of an image keep their order."""
        images = np.concatenate([np.zeros(0, np.int64), *self._rows])
        order = np.argsort(images, kind="stable")
        in_order = bool((np.diff(images) >= 0).all())
        boxes, scores = np.concatenate([np.zeros((0, 4)), *self._boxes]), np.concatenate([np.zeros(0), *self._scores])
        counts = np.bincount(images, minlength=len(self._images))
        return PredictionTable(
            names=tuple(self._images),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            boxes=boxes if in_order else boxes[order],
            scores=scores if in_order else scores[order],
            positions=order.astype(np.int64),
            sizes=np.array(self._sizes, np.int32).reshape(-1, 2),
            relative=self._relative,
            remarks=tuple(remarks),
        )


def corners_of(xywh: Float64) -> Float64:
    """Returns boxes [N, 4] of corner, width and height as xyxy, x2 = x + w."""
    corners = xywh.copy()
    corners[:, 2:] += xywh[:, :2]
    return corners


def widths_of(xyxy: Float64) -> Float64:
    """Returns boxes [N, 4] xyxy as x, y, width, height."""
    widths = xyxy.copy()
    widths[:, 2:] -= xyxy[:, :2]
    return widths


def require_category(source: Path, counts: Mapping[str, int], chosen: str | None) -> None:
    """Raises ValueError where detections are of several categories and none is chosen, or none is of the chosen one.

    ``counts`` is category -> detections; a file without detections has no categories, and may be of any.
    """
    if chosen is not None:
        if counts and chosen not in counts:
            raise ValueError(f"{source}: expected detections of {chosen!r}, found {sorted(counts)}")
    elif len(counts) > 1:
        found = ", ".join(f"{name} ({count:,})" for name, count in sorted(counts.items()))
        raise ValueError(f"{source}: expected detections of one category, found {found}; --class NAME takes one")
