"""Candidates to detections by a ranker: refined scores, then suppression, boxes unchanged (CRFace section 3).

The ranker knows no detector: a dump of any detector and canvas goes with any checkpoint of a ranker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from pydantic import Field

from pipeline.data.canvas import parse_canvas
from pipeline.data.records import Detections
from pipeline.data.schemas import CHECKPOINT, DETECTIONS, SAMPLES
from pipeline.engine.stage import Item, Port, Row, StageContext
from pipeline.inference.score_format import ScoreFormat
from pipeline.inference.worker import naming_weights, planned_weights, set_threads
from pipeline.models.checkpoint import Checkpoint
from stages.network_stage import CanvasName, NetworkStage
from stages.refined_rows import refined_items, refined_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.inference.rerank import Reranker


class Rerank(NetworkStage):
    """One ranker over one dump; precision and engine are those of the part that sees the image.

    `samples` are those the dump was made of, with the paths of the images. Peak memory, libraries included: with the
    small rankers 0.8 GB at 1024 pixels, 2.7 at 8K; one that learnt from whole images sees a square of it.

    Attributes:
        canvas: at which the ranker sees the image, as in `predict`; None for that of its training where it
            learnt from whole images, and for the image's own where it learnt from squares cut out of them.
        iou: a box that overlaps a better one by more (widths and heights one larger) is dropped; None keeps all.
        max_candidates: so many of the best candidates are ranked; None: as many as the ranker takes (5,000).
        max_detections: at most so many boxes per image are left; None keeps all.
        score_format: how scores are written, see `format_scores`: "sum", "squash", in 0..1 without a change of order
            for what expects them there, as voting does, or "clip" to 0..1, as the paper does: many tie at 0 and 1, and
            AP loses the ranker's order of them.
        precision, engine: see `NetworkStage`.
    """

    name: ClassVar[str] = "rerank"
    version: ClassVar[str] = "4"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples", "candidates")
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "candidates": Port(DETECTIONS),
        "checkpoint": Port(CHECKPOINT, optional=True),
    }
    output: ClassVar[pa.Schema] = DETECTIONS

    canvas: CanvasName | None = None
    iou: float | None = Field(0.4, ge=0, le=1)
    max_candidates: int | None = Field(None, ge=1)
    max_detections: int | None = Field(None, ge=1)
    score_format: ScoreFormat = "sum"

    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a file does not hold a ranker."""
        weights.ranker()

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per row of the dump.

        Raises:
            ValueError: if the dump has images that the samples do not have.
        """
        return refined_items(ctx, "candidates")

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that holds one shard of the dump at a time, and reads the next images during this one."""
        set_threads(ctx)  # before torch is imported
        return refined_rows(ctx, "candidates", partial(self._ranked, self.reranker(ctx)))

    def reranker(self, ctx: StageContext) -> Reranker:
        """Returns the loaded ranker, ready for this node's device and threads."""
        set_threads(ctx)
        import torch

        from pipeline.inference.rerank import Reranker
        from pipeline.models.weights import open_ranker

        weights = planned_weights(ctx)
        with naming_weights(ctx):
            _, ranker = open_ranker(weights)
        reranker = Reranker(
            ranker,
            device="cuda" if ctx.resources.gpus else "cpu",
            canvas=None if self.canvas is None else parse_canvas(self.canvas),
            top=self.max_candidates,
            score_format=self.score_format,
            dtype=getattr(torch, self.precision),
            engine=self.engine,
        )
        # A first pass is slow, and one that fails here fails the node at once instead of image after image.
        reranker.first_pass()
        return reranker

    def _ranked(self, reranker: Reranker, image: NDArray[np.uint8], found: Detections) -> Detections:
        import torch

        from pipeline.boxes.suppression import nms

        height, width = image.shape[:2]
        if (found.width, found.height) != (width, height):
            raise ValueError(
                f"candidates of {found.width} x {found.height} pixels, the image has {width} x {height}: "
                "expected a dump of the same image; compute the dump again"
            )
        ranked = reranker(image, found.scored)
        if self.iou is not None and len(ranked):  # of equal scores the earlier row is the better one
            ranked = ranked.take(nms(torch.from_numpy(ranked.boxes), torch.from_numpy(ranked.scores), self.iou).numpy())
        left = ranked.take(slice(self.max_detections))
        return replace(found, boxes=left.boxes, scores=left.scores, landmarks=left.landmarks)
