"""Candidates in the best possible order: each scored by its overlap with the closest face (CRFace, section 3.1).

It is the upper limit of any ranker on these candidates; AP above it needs other boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from pipeline.data.image_sets import refined_items
from pipeline.data.labelled_faces import faces_of
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext


class Oracle(MapStage):
    """Scores become overlaps with the closest labelled face, counted or not; boxes are not moved, then suppressed.

    Boxes of equal overlap keep the detector's order. Memory: the faces of the set, 16 bytes each, and one shard of the
    dump. A changed label computes the rows of its shard again: some milliseconds each.

    Attributes:
        pixel_inclusive: every width and height is one larger when overlaps with faces are measured, as the WIDER FACE
            protocol counts; the truth that a ranker is trained with is without.
        iou: a box that overlaps a better one by more (widths and heights one larger) is dropped; None keeps all.
    """

    name: ClassVar[str] = "oracle"
    version: ClassVar[str] = "2"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples", "candidates")
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "candidates": Port(DETECTIONS)}
    output: ClassVar[pa.Schema] = DETECTIONS

    pixel_inclusive: bool = True
    iou: float | None = Field(0.4, ge=0, le=1)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per row of the dump, from the lists of rows alone.

        Raises:
            ValueError: if the dump has images that the samples do not have.
        """
        return refined_items(ctx.one("candidates"), ctx.one("samples"))

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds all faces and one shard of the dump at a time."""
        rows = ShardReader(ctx.one("candidates"))
        faces = faces_of(ctx.one("samples"))

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                found, labelled = rows.get(item.data["shard"], item.key), faces[item.key]
                if error := found.error or labelled.mismatch(found):
                    yield Detections(item.key, found.width, found.height, error=error).to_row()
                else:
                    yield by_overlap(found, labelled.boxes, self.pixel_inclusive, self.iou).to_row()

        return work


def by_overlap(
    found: Detections, faces_F4: NDArray[np.float32], pixel_inclusive: bool = True, iou: float | None = 0.4
) -> Detections:
    """Returns the detections of one image scored by their overlap with the closest face, see `Oracle`.

    Args:
        found: best first, as the detector scores them.
        faces_F4: float32 [F, 4], xyxy in the same pixels, all that are labelled.
        pixel_inclusive: see `Oracle`.
        iou: likewise.
    """
    import torch

    from pipeline.boxes.closest_face import closest_overlap
    from pipeline.boxes.suppression import nms

    # In float64, as the benchmark's own tool compares: float32 would make ties of overlaps that differ.
    overlap_M = closest_overlap(found.boxes.astype(np.float64), faces_F4, pixel_inclusive)
    order: NDArray[np.intp] = np.argsort(-overlap_M, kind="stable")
    if iou is not None:
        order = order[nms(torch.from_numpy(found.boxes[order]), torch.from_numpy(overlap_M[order]), iou).numpy()]
    marks = None if found.landmarks is None else found.landmarks[order]
    scores = overlap_M[order].astype(np.float32)
    return Detections(found.image_id, found.width, found.height, found.boxes[order], scores, marks)
