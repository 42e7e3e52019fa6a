"""The faces of many images as flat columns: what every form of labels is read into and written from.

A face takes about 50 bytes, so that 100,000 images with 500,000 faces fit into 50 MB. A parser adds images and faces in
any order, one at a time.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.file_path import FilePath

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
POINTS: Final = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""The five landmarks of a face in their order; left is on the left of the image."""


def _category_option(names: Sequence[str]) -> str:
    return f"--category '{names[0]}' takes one"


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """What a reader of labels may be given.

    Attributes:
        category: names of the objects that are faces; empty where all have one name.
        advice: names that occur, the likeliest first -> how a user chooses, for a message.
    """

    category: tuple[str, ...] = ()
    advice: Callable[[Sequence[str]], str] = _category_option


EVERY: Final = LabelOptions()
"""No category chosen."""


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The faces of many images, flat, in the order of the images.

    Attributes:
        names: N images, as the labels name them, each once.
        starts: int64 [N + 1], the first face of each image and, last, the number of faces.
        boxes: float64 [F, 4] xyxy in pixels; shares of the image's sides where ``relative``.
        ignored: bool [F], faces that count nowhere.
        landmarks: float64 [F, 5, 2] (eyes, nose, mouth corners; left first) in the units of the boxes, NaN where a face
            has none; None where no face has any.
        sizes: int32 [N, 2], width and height in pixels as the labels have them, zeros where they do not.
        relative: whether boxes and landmarks are shares of the image's sides.
        paths: N image files relative to the dataset's root, where the form determines them; else None.
        categories: category -> boxes, those left out included.
        remarks: oddities, one line each.
        crowds: bool [F], those of the ignored faces that are groups; None where the form knows none.
        areas: float64 [F], square pixels of a face as the labels have them, NaN where they do not; None for all.
        ids: N keys of the images, where the form has some beside the names.
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    boxes: Float64
    ignored: Bools
    landmarks: Float64 | None
    sizes: NDArray[np.int32]
    relative: bool = False
    paths: tuple[str, ...] | None = None
    categories: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    crowds: Bools | None = None
    areas: Float64 | None = None
    ids: tuple[int | str, ...] | None = None

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.names)

    def rows(self, position: int) -> slice:
        """Returns the faces of the image at ``position``."""
        return slice(int(self.starts[position]), int(self.starts[position + 1]))

    def label_bytes(self, position: int) -> bytes:
        """Returns bytes that change whenever a label of the image does."""
        rows = self.rows(position)
        marks = b"" if self.landmarks is None else self.landmarks[rows].tobytes()
        return b"".join(
            (self.boxes[rows].tobytes(), self.ignored[rows].tobytes(), self.sizes[position].tobytes(), marks)
        )

    def in_pixels(self, sizes: NDArray[np.int32] | None = None) -> LabelTable:
        """Returns the table in pixels.

        Args:
            sizes: int32 [N, 2] of the images, zeros where unknown; by default those of the table.

        Raises ValueError: boxes are shares and the size of an image with faces is unknown.
        """
        known = self.sizes if sizes is None else np.where(sizes > 0, sizes, self.sizes)
        counts = np.diff(self.starts)
        if not self.relative:
            return replace(self, sizes=known)
        unknown = np.flatnonzero((counts > 0) & (known <= 0).any(axis=1))
        if len(unknown):
            name = self.names[unknown[0]]
            raise ValueError(f"{name}: expected the image, for its boxes are shares of its sides, found none")
        scale_F2 = np.repeat(known, counts, axis=0).astype(np.float64)
        landmarks = None if self.landmarks is None else self.landmarks * scale_F2[:, None]
        return replace(self, boxes=self.boxes * np.tile(scale_F2, 2), landmarks=landmarks, sizes=known, relative=False)

    def without_repeats(self) -> LabelTable:
        """Returns the table where a box that repeats another one of its image exactly is left out.

        The second of two equal boxes could never be found. A face that is ignored in one of them only counts; its
        landmarks are those of the first one that has some.
        """
        counts = np.diff(self.starts)
        images = np.repeat(np.arange(len(self)), counts)
        order = np.lexsort((*self.boxes.T, images))
        keys = np.column_stack([images, self.boxes])[order]
        new = np.ones(len(keys), bool)
        new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        if new.all():
            return self
        # The sort is stable: the first row of a group is the first one of its image.
        groups = np.cumsum(new) - 1
        counting = np.bincount(groups, ~self.ignored[order]) > 0
        ignored = self.ignored.copy()
        ignored[order[new]] = ~counting
        crowds = None if self.crowds is None else self.crowds.copy()
        if crowds is not None:
            crowds[order[new]] = np.bincount(groups, ~crowds[order]) == 0
        landmarks = None if self.landmarks is None else self.landmarks.copy()
        if landmarks is not None:
            marked = np.flatnonzero(np.isfinite(landmarks[order]).all(axis=(1, 2)))[::-1]  # the first one last
            landmarks[order[new][groups[marked]]] = landmarks[order[marked]]
        kept = np.sort(order[new])
        line = f"{len(keys) - len(kept)} boxes repeat another one of their image exactly; each counts once"
        changed = replace(self, ignored=ignored, crowds=crowds, landmarks=landmarks, remarks=(*self.remarks, line))
        return changed.faces_at(kept)

    def faces_at(self, rows: NDArray[np.int64]) -> LabelTable:
        """Returns the table with the faces at these ascending rows only; images without one stay."""
        images = np.repeat(np.arange(len(self)), np.diff(self.starts))
        starts = np.concatenate([[0], np.cumsum(np.bincount(images[rows], minlength=len(self)))])
        return replace(
            self,
            starts=starts.astype(np.int64),
            boxes=self.boxes[rows],
            ignored=self.ignored[rows],
            landmarks=None if self.landmarks is None else self.landmarks[rows],
            crowds=None if self.crowds is None else self.crowds[rows],
            areas=None if self.areas is None else self.areas[rows],
        )

    def box_labels(self) -> BoxLabels:
        """Returns the faces for a benchmark, image by image; boxes are in pixels."""
        cuts = self.starts[1:-1]
        boxes = self.in_pixels().boxes
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        if self.areas is not None:
            areas = np.where(np.isnan(self.areas), areas, self.areas)
        crowds = np.zeros(len(boxes), bool) if self.crowds is None else self.crowds
        boxes_N, ignored_N, crowds_N, areas_N = (
            tuple(np.split(column, cuts)) for column in (boxes, self.ignored, crowds, areas)
        )
        return BoxLabels(self.names, boxes_N, ignored_N, crowds_N, areas_N)


class LabelTableBuilder:
    """Collects images and faces in any order, in flat arrays."""

    def __init__(self, relative: bool = False) -> None:
        """Makes an empty one; ``relative``: numbers are shares of the image's sides."""
        self._relative = relative
        self._images: dict[str, int] = {}
        self._sizes, self._rows = array("i"), array("q")
        self._boxes, self._landmarks = array("d"), array("d")
        self._flags, self._categories = array("b"), array("i")
        self._crowds, self._areas = array("b"), array("d")
        self._category_ids: dict[str, int] = {}
        self._left_out = Counter[str]()
        self._marked = array("q")  # the faces with landmarks, which few labels have

    def image(self, name: str, size: tuple[int, int] = (0, 0)) -> int:
        """Returns the position of an image, added where it is new, ``size`` as width and height."""
        position = self._images.setdefault(name, len(self._images))
        if 2 * position == len(self._sizes):
            self._sizes.extend(size)
        return position

    def __contains__(self, name: str) -> bool:
        """Returns whether an image has been added."""
        return name in self._images

    def face(
        self,
        image: int,
        box: Sequence[float],
        category: str = "",
        ignored: bool = False,
        landmarks: Sequence[float] | None = None,
        crowd: bool = False,
        area: float | None = None,
    ) -> None:
        """Adds a face to the image at a position; ``box`` is xyxy, ``landmarks`` ten numbers or None.

        ``crowd``: it is a group; ``area``: its square pixels, where they are not those of the box.
        """
        self._rows.append(image)
        self._boxes.extend(box)
        self._flags.append(ignored)
        self._categories.append(self._category_ids.setdefault(category, len(self._category_ids)))
        if landmarks is not None:
            self._marked.append(len(self._rows) - 1)
            self._landmarks.extend(landmarks)
        self._crowds.append(crowd)
        self._areas.append(math.nan if area is None else area)

    def leave_out(self, category: str) -> None:
        """Counts an object of a category that is not wanted, without keeping it."""
        self._left_out[category] += 1

    def build(
        self,
        source: FilePath,
        options: LabelOptions,
        remarks: Sequence[str] = (),
        paths: Sequence[str] | None = None,
        strict: bool = True,
    ) -> LabelTable:
        """Returns the table of the faces of the wanted category; faces of one image keep their order.

        ``strict`` checks the categories: of one image out of many, the wanted ones may be absent.

        Raises ValueError: no image, objects of several names and none is chosen, or a chosen one that no object has.
        """
        if not self._images:
            raise ValueError(f"{source}: expected images with labels, found none")
        counts = self._counts(source, options) if strict else {}
        taken = np.array([not options.category or name in options.category for name in self._category_ids], bool)
        rows = np.frombuffer(self._rows, np.int64) if self._rows else np.zeros(0, np.int64)
        ids = np.array(self._categories, np.int64)
        kept = np.flatnonzero(taken[ids]) if len(ids) else np.zeros(0, np.int64)
        kept = kept[np.argsort(rows[kept], kind="stable")]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=len(self._images)))])
        marks = np.full((len(rows), 5, 2), np.nan) if self._marked else None
        if marks is not None:
            marks[np.array(self._marked)] = np.array(self._landmarks, np.float64).reshape(-1, 5, 2)
        crowds, areas = np.array(self._crowds, bool)[kept], np.array(self._areas, np.float64)[kept]
        return LabelTable(
            names=tuple(self._images),
            starts=starts.astype(np.int64),
            boxes=np.array(self._boxes, np.float64).reshape(-1, 4)[kept],
            ignored=np.array(self._flags, bool)[kept],
            landmarks=None if marks is None else marks[kept],
            sizes=np.array(self._sizes, np.int32).reshape(-1, 2),
            relative=self._relative,
            paths=None if paths is None else tuple(paths),
            categories=counts,
            remarks=tuple(remarks),
            crowds=crowds if crowds.any() else None,
            areas=None if np.isnan(areas).all() else areas,
        )

    def _counts(self, source: FilePath, options: LabelOptions) -> dict[str, int]:
        by_id = Counter(self._categories)
        counts = {name: by_id[key] for name, key in self._category_ids.items() if by_id[key]} | dict(self._left_out)
        if not options.category and len(counts) > 1:
            most = sorted(counts.items(), key=lambda each: -each[1])
            shown = ", ".join(f"{name or 'without a name'} ({count})" for name, count in most)
            likely = sorted(filter(None, counts), key=lambda name: (name.lower() != "face", "face" not in name.lower()))
            raise ValueError(f"{source}: expected objects of one name, found {shown}; {options.advice(likely)}")
        for name in options.category:
            if counts and name not in counts:
                raise ValueError(f"{source}: expected objects named {name!r}, found {sorted(counts)}")
        return counts


def image_name(text: str) -> str:
    """Returns a name as programs write it with forward slashes and without ``./`` before it."""
    return PurePosixPath(text.strip().replace("\\", "/")).as_posix()
