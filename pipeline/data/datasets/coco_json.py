"""Your own labelled images: a COCO JSON file and the images it names."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator

from pipeline.data.datasets.coco_file import CocoFile, CocoImage, read_coco
from pipeline.data.datasets.dataset import (
    Dataset,
    Log,
    Reader,
    below_root,
    category_names,
    no_log,
    require_folder,
    set_option,
)
from pipeline.data.datasets.entries import Entries, Entry, in_order
from pipeline.data.datasets.files import file_version, hash_labels, present_images, read_sample, scan
from pipeline.data.datasets.label_fit import LabelFit, overlaps_image
from pipeline.data.datasets.labels.image_files import locate_images
from pipeline.data.datasets.labels.label_table import NO_LANDMARKS
from pipeline.data.datasets.wider_face.subsets import height_levels
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS

_FORMS: Final = {
    form: f"{set_option('units' if form == 'relative' else 'form', form)} reads them so"
    for form in ("corners", "centre", "relative")
}


class CocoJson(Dataset):
    """Images and faces of a COCO JSON file: ``images`` (id, file_name) and ``annotations`` (image_id, bbox xywh).

    A face with ``iscrowd`` or ``ignore`` set counts in no subset, nor does a box without an area or outside its image;
    the others are graded by height (easy from 50 px, medium from 30, hard from 10). Five ``keypoints``
    are landmarks (eyes, nose, mouth corners; left first); other key points and masks are not read.
    The ``image_id`` is the ``file_name``: the file of that path below ``images``, or below ``images`` in it, or the one
    file whose path ends alike. The labels are checked for contradictions, also with the images once those are read.

    Attributes:
        annotation: the JSON file, relative to the root.
        images: folder of the images, relative to the root.
        category: name or names of the categories whose boxes are faces; None where all boxes are of one.
        missing: "error" where listed images are absent, or "skip" to use those present.
        sizes: "check" refuses widths and heights other than the image's, "scale" scales boxes by them, "ignore".
        form: of boxes: "xywh" as COCO has them, "corners" (x1, y1, x2, y2) or "centre" (and width and height).
        units: of boxes: "pixels", or "relative", shares of the image's sides.
        doubts: "refuse" boxes that seem to be of other images or of another form, or "report" (a remark).
    """

    levels: ClassVar[tuple[str, ...]] = LEVELS

    annotation: str = "annotations.json"
    images: str = ""
    category: str | tuple[str, ...] | None = None
    missing: Literal["error", "skip"] = "error"
    sizes: Literal["check", "scale", "ignore"] = "check"
    form: Literal["xywh", "corners", "centre"] = "xywh"
    units: Literal["pixels", "relative"] = "pixels"
    doubts: Literal["refuse", "report"] = Field("refuse", exclude=True)

    _below_root = field_validator("annotation", "images")(below_root)
    _category_names = field_validator("category", mode="before")(category_names)

    def entries(self, root: str, log: Log = no_log) -> Entries:
        """Returns the images of the JSON file, as `Dataset.entries`."""
        images = self._read(root).images
        names, item_versions = list(images), dict(scan(root, self.images))
        paths = locate_images(names, item_versions, self.images)
        found = present_images(paths, item_versions, Path(root, self.annotation), self.missing, log)
        return in_order(
            Entry(names[position], path, f"{version}:{hash_labels(_canonical(images[names[position]]))}")
            for position, path, version in found
        )

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; the JSON file is parsed once."""
        images = self._read(root).images
        return lambda entry: self._sample(root, entry, images[entry.image_id])

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns oddities of the file, and of how its sizes and boxes fit the images, as `Dataset.review`."""
        read, fit, differing = self._read(root), LabelFit(), list[str]()
        for table in samples:
            fit.add(table)
            differing += [] if self.sizes != "check" else _differing(table, read)
        file = Path(root, self.annotation)
        if differing:
            scale, ignore = set_option("sizes", "scale"), set_option("sizes", "ignore")
            raise ValueError(
                f"{file}: images[*].width, height: expected the sizes of the images, found {len(differing)} others: "
                f"{', '.join(differing[:3])}; {scale} scales their boxes, {ignore} takes them as they are"
            )
        return [*fit.review(f"{file}: annotations[*].bbox", _FORMS, self.doubts, counts_nowhere=True), *read.remarks]

    def _read(self, root: str) -> CocoFile:
        names = (self.category,) if isinstance(self.category, str) else self.category or ()
        file = require_folder(root) / self.annotation
        if not file.is_file():
            raise FileNotFoundError(f"no annotation {file}")
        return read_coco(file, names, self.sizes != "ignore", self.form == "corners", file_version(file.stat()))

    def _sample(self, root: str, entry: Entry, image: CocoImage) -> Sample:
        sample = read_sample(root, entry)
        size = (sample.width, sample.height)
        scale_2 = self._scale(image, size if all(size) else image.size)
        boxes, heights = self._corners(image)
        boxes, heights = boxes * np.tile(scale_2, 2), heights * scale_2[1]
        ignored = np.array(image.ignored, bool) | ~overlaps_image(boxes, *size)
        landmarks = None
        if any(image.landmarks):
            points = [each or NO_LANDMARKS for each in image.landmarks]
            landmarks = (np.array(points, np.float64).reshape(-1, 5, 2) * scale_2).astype(np.float32)
        levels = height_levels(heights, ignored)
        return replace(sample, boxes=boxes.astype(np.float32), levels=levels, landmarks=landmarks)

    def _corners(self, image: CocoImage) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns float64 [F, 4] xyxy and [F] heights in the units of the file."""
        boxes = np.array(image.boxes, np.float64).reshape(-1, 4)
        # The file's own height, since the difference of two edges may fall below a limit that it reaches.
        heights = boxes[:, 3] - boxes[:, 1] if self.form == "corners" else boxes[:, 3].copy()
        if self.form == "centre":
            boxes[:, :2] -= boxes[:, 2:] / 2
        if self.form != "corners":
            boxes[:, 2:] += boxes[:, :2]
        return boxes, heights

    def _scale(self, image: CocoImage, size: tuple[int, int] | None) -> NDArray[np.float64]:
        """Returns float64 [2], what x and y are multiplied by to be pixels of the image; 1 without a size."""
        if size is not None and self.units == "relative":
            return np.array(size, np.float64)
        if size is not None and self.sizes == "scale" and image.size is not None:
            return np.divide(size, image.size)
        return np.ones(2)


def _canonical(image: CocoImage) -> bytes:
    labels: list[Any] = [image.boxes, image.ignored, *([image.landmarks] if any(image.landmarks) else [])]
    return json.dumps(labels if image.size is None else [*labels, image.size]).encode()


def _differing(table: pa.Table, read: CocoFile) -> list[str]:
    """Returns the images whose size differs from the file's."""
    found = []
    for name, width, height in zip(*(table[name].to_pylist() for name in ("image_id", "width", "height")), strict=True):
        if not width:  # unreadable; its name may differ from the file's too
            continue
        size = read.images[name].size
        if size is not None and size != (width, height):
            turned = ", its sides exchanged (turned by an orientation tag?)" if size == (height, width) else ""
            found.append(f"{size[0]} x {size[1]} for {name} of {width} x {height} pixels{turned}")
    return found
