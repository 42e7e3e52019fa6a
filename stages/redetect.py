"""Detections to detections: each confident one cropped with its context and examined again (MogFace, Fig. 1c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import AfterValidator, Field

from pipeline.data.canvas import parse_canvas
from pipeline.data.schemas import CHECKPOINT, DETECTIONS, SAMPLES
from pipeline.engine.stage import Item, Port, Row, StageContext
from pipeline.inference.worker import set_threads
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from stages.network_stage import CanvasName, NetworkStage
from stages.refined_rows import refined_items, refined_rows


class Redetect(NetworkStage):
    """Boxes stay; those from `score` on get the best score of the same box in their crop, 0 where there is none.

    A detector that is right about a face finds it in the crop too. The cost is one pass per box: some milliseconds.

    Attributes:
        detector: entry of `DETECTORS`; not needed where the weights name it.
        score: detections from this score on are examined; the others keep theirs.
        context: sides of the crop by those of the box.
        canvas: size at which the detector sees a crop: "original", or a long edge in pixels.
        iou: overlap with the box from which on a box found in the crop is the same one.
        precision, engine: see `NetworkStage`.
    """

    name: ClassVar[str] = "redetect"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples", "detections")
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "detections": Port(DETECTIONS),
        "checkpoint": Port(CHECKPOINT, optional=True),
    }
    output: ClassVar[pa.Schema] = DETECTIONS

    detector: Annotated[str, AfterValidator(DETECTORS.known)] | None = None
    score: float = Field(0.5, allow_inf_nan=False)
    context: float = Field(3, ge=1, allow_inf_nan=False)
    canvas: CanvasName = Field("original", validate_default=True)
    iou: float = Field(0.5, gt=0, le=1)

    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a file is known to hold another detector, or needs its name and has none."""
        weights.detector(self.detector)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per row of the detections.

        Raises:
            ValueError: if they have images that the samples do not have.
        """
        return refined_items(ctx, "detections")

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of the detections at a time."""
        set_threads(ctx)  # before torch is imported
        from pipeline.inference.open_predictor import open_predictor
        from pipeline.inference.redetection import Redetection

        predictor = open_predictor(ctx, self.detector, precision=self.precision, engine=self.engine)
        again = Redetection(self.score, self.context, parse_canvas(self.canvas), self.iou)
        return refined_rows(ctx, "detections", partial(again.rescore, predictor))
