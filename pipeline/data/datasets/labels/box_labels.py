"""The faces of a set of images as boxes, and which of them count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_COLUMNS: Final = ("boxes", "ignored", "crowds", "areas")


@dataclass(frozen=True, slots=True)
class BoxLabels:
    """Faces of many images, one entry per image in every field.

    Attributes:
        image_ids: names as the annotation has them, each once.
        boxes: float64 [F, 4] xyxy in pixels, as annotated.
        ignored: bool [F], faces that do not count; a detection on one is no false alarm.
        crowds: bool [F], those of the ignored ones that are groups: any number of detections may be on one.
        areas: float64 [F] in square pixels, as COCO's annotation has them; else width times height.
    """

    image_ids: tuple[str, ...]
    boxes: tuple[NDArray[np.float64], ...]
    ignored: tuple[NDArray[np.bool_], ...]
    crowds: tuple[NDArray[np.bool_], ...]
    areas: tuple[NDArray[np.float64], ...]

    def __post_init__(self) -> None:
        """Raises ValueError where an image comes twice, or lengths disagree."""
        if len(set(self.image_ids)) != len(self.image_ids):
            raise ValueError("an image comes twice in the labels")
        for name in _COLUMNS:
            if len(getattr(self, name)) != len(self.image_ids):
                raise ValueError(f"{name} has {len(getattr(self, name))} images, expected {len(self.image_ids)}")
        for row, image_id in enumerate(self.image_ids):
            lengths = [len(getattr(self, name)[row]) for name in _COLUMNS]
            if len(set(lengths)) != 1 or self.boxes[row].shape[1:] != (4,):
                raise ValueError(f"{image_id}: boxes {self.boxes[row].shape}, lengths {lengths}")

    @property
    def faces(self) -> int:
        """The number of faces that count."""
        return sum(int((~flags).sum()) for flags in self.ignored)

    def select(self, rows: Iterable[int]) -> BoxLabels:
        """Returns the labels of the images at these positions, in this order."""
        chosen = list(rows)
        columns = {name: tuple(getattr(self, name)[row] for row in chosen) for name in _COLUMNS}
        return BoxLabels(tuple(self.image_ids[row] for row in chosen), **columns)

    @classmethod
    def of(cls, images: Iterable[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]) -> BoxLabels:
        """Returns the labels of (image, boxes [F, 4] xyxy, ignored [F]), without crowds."""
        rows = list(images)
        boxes = tuple(np.asarray(each, np.float64).reshape(-1, 4) for _, each, _ in rows)
        return cls(
            image_ids=tuple(image_id for image_id, _, _ in rows),
            boxes=boxes,
            ignored=tuple(np.asarray(flags, bool) for _, _, flags in rows),
            crowds=tuple(np.zeros(len(each), bool) for each in boxes),
            areas=tuple((each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1]) for each in boxes),
        )
