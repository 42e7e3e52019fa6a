"""The detections of a whole set of images in flat arrays, the input of an evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.records import Detections


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """Detections of many images in flat arrays; the rows of image i are offsets[i] to offsets[i + 1]."""

    image_ids: tuple[str, ...]  # one per image, each once
    offsets: NDArray[np.int64]  # int64 [I + 1], never falling, from 0 to N
    boxes: NDArray[np.float64]  # float64 [N, 4], xyxy in original pixels, x2 = x + w
    scores: NDArray[np.float64]  # float64 [N], any range, finite

    def __post_init__(self) -> None:
        """Raises ValueError where lengths disagree or an image appears twice."""
        if self.offsets.shape != (len(self.image_ids) + 1,):
            raise ValueError(f"offsets have shape {self.offsets.shape}, expected ({len(self.image_ids) + 1},)")
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.offsets[0] != 0 or self.offsets[-1] != n:
            found = f"boxes of shape {self.boxes.shape}, rows {self.offsets[0]}:{self.offsets[-1]}"
            raise ValueError(f"{n} scores, {found}")
        if len(set(self.image_ids)) != len(self.image_ids):
            twice = next(name for name, times in Counter(self.image_ids).items() if times > 1)
            raise ValueError(f"image {twice} appears more than once in the predictions")

    def image_rows(self) -> NDArray[np.int64]:
        """Returns int64 [N]: the index into `image_ids` that each row belongs to."""
        return np.repeat(np.arange(len(self.image_ids)), np.diff(self.offsets))

    def by_image(self) -> Iterator[tuple[str, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
        """Yields each image's id with its boxes and scores."""
        for number, image_id in enumerate(self.image_ids):
            rows = slice(*self.offsets[number : number + 2])
            yield image_id, (self.boxes[rows], self.scores[rows])

    def select(self, image_ids: Sequence[str]) -> PredictionSet:
        """Returns the detections of exactly these images, in this order; an image that is not here has none."""
        if tuple(image_ids) == self.image_ids:
            return self
        spans = dict(zip(self.image_ids, zip(self.offsets[:-1], self.offsets[1:], strict=True), strict=True))
        starts, ends = np.array([spans.get(image_id, (0, 0)) for image_id in image_ids], np.int64).reshape(-1, 2).T
        lengths = ends - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return PredictionSet(tuple(image_ids), offsets, self.boxes[rows], self.scores[rows])

    def falling(self) -> PredictionSet:
        """Returns the same detections with each image's rows in falling score; equal scores keep their order."""
        images = self.image_rows()
        if not ((np.diff(self.scores) > 0) & (np.diff(images) == 0)).any():
            return self
        order = np.lexsort((-self.scores, images))
        return PredictionSet(self.image_ids, self.offsets, self.boxes[order], self.scores[order])

    @classmethod
    def of(cls, detections: Iterable[Detections]) -> PredictionSet:
        """Returns the flat form of checked records; float32 numbers are widened, nothing is rounded."""
        rows = list(detections)
        lengths = [len(row.scores) for row in rows]
        return cls(
            image_ids=tuple(row.image_id for row in rows),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            boxes=np.concatenate([np.zeros((0, 4)), *(row.boxes for row in rows)]).astype(np.float64),
            scores=np.concatenate([np.zeros(0), *(row.scores for row in rows)]).astype(np.float64),
        )
