"""Samples to candidates: a frozen detector over every image on its canvas, one dump per detector.

This is the paper's 8K dump (CRFace section 4): the best N boxes of every image *before* suppression and without a score
cut. The compressed image is what travels; decoding, enlarging and detecting happen inside the worker, and boxes come
back in pixels of the original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import pyarrow as pa
from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from pipeline.boxes.frame import Frame
from pipeline.data.canvas import parse_canvas
from pipeline.data.decode_memory import Room
from pipeline.data.image_reader import ImageReader
from pipeline.data.schemas import CHECKPOINT, DETECTIONS, SAMPLES
from pipeline.engine.measures import timed
from pipeline.engine.shard_record import KEY
from pipeline.engine.stage import Item, Items, Port, Row, StageContext
from pipeline.inference.test_time import MODES, SINGLE, detect
from pipeline.inference.worker import set_threads
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.spec import Decides
from stages.network_stage import CanvasName, NetworkStage

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor


class Predict(NetworkStage):
    """One detector on one canvas.

    Attributes:
        detector: entry of `DETECTORS`; not needed where the weights name it.
        mode: "single" is one pass on the canvas. Any other one of `test_time.MODES` has sizes of its own; one of
            several passes gives their fusion.
        canvas: "original", "8k", a long edge in pixels or a short one ("short-640"): the size at which the detector
            sees the image; for "single".
        max_candidates: candidates kept per image, best first; in a mode of several passes, of each pass.
        memory_budget_gb: what one worker process may take on a CPU, libraries included; a canvas that needs more is
            cut into overlapping tiles, which give the same boxes up to rounding, and an image that cannot be decoded
            within it is an error row. None: always the whole image.
        precision, engine: see `NetworkStage`.
        decides: whose score counts where a detector has two classifiers (MogFace's HCAM): "main", "progressive",
            "where_masked" (the progressive one where the main one is confident, else the main one) or "product", see
            `SixLevelDetector.decide_by`; None: what its model args say.
    """

    name: ClassVar[str] = "predict"
    version: ClassVar[str] = "2"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples",)
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES), "checkpoint": Port(CHECKPOINT, optional=True)}
    output: ClassVar[pa.Schema] = DETECTIONS

    detector: Annotated[str, AfterValidator(DETECTORS.known)] | None = None
    mode: Annotated[str, AfterValidator(MODES.known)] = SINGLE
    canvas: CanvasName = Field("8k", validate_default=True)
    max_candidates: int = Field(5000, ge=1)
    memory_budget_gb: float | None = Field(None, gt=0)
    decides: Decides | None = None

    @model_validator(mode="after")
    def _one_source_of_sizes(self) -> Self:
        if self.mode != SINGLE and self.canvas != str(parse_canvas("8k")):
            raise ValueError(f"mode {self.mode} has its own sizes: leave out the canvas, found {self.canvas}")
        return self

    @model_serializer(mode="wrap")
    def _identity(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Adds the frame in which a mode counts pixels, if not the usual one: another frame gives other boxes."""
        fields: dict[str, Any] = handler(self)
        mode = MODES.find(self.mode)
        inclusive = mode.fusion is not None and mode.convention.frame is Frame.INCLUSIVE
        return {**fields, "frame": mode.convention.frame.value} if inclusive else fields

    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a file is known to hold another detector, or needs its name and has none."""
        weights.detector(self.detector)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample; only a change of the image's bytes changes it, not one of its labels."""
        rows = ctx.one("samples").listing(["content_hash", "path", "width", "height"])
        return Items(rows[KEY], rows["content_hash"], rows.select(["path", "width", "height"]))

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that fetches, and where it has a core to spare decodes, the next images during this one."""
        set_threads(ctx)  # before torch is imported
        from pipeline.inference.batch_worker import BatchWorker, detections_row, error_row_of
        from pipeline.inference.own_error import or_own_error

        images, predictor = ImageReader(ctx, ctx.one("samples"), self._room()).ahead, self.predictor(ctx)
        if self.mode == SINGLE:
            return BatchWorker(predictor, parse_canvas(self.canvas), images)
        mode = MODES.find(self.mode)

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item, image, error in images(items):
                if image is None:
                    yield error_row_of(item, error)
                else:
                    with timed("network"):
                        found = or_own_error(partial(detect, predictor, image, mode))
                    yield detections_row(item, image, found)
                del image  # before the next one is decoded

        return work

    def _room(self) -> Room | None:
        """Returns what one image may take while it is decoded; None: no limit of its own."""
        from pipeline.inference.memory import PROCESS_BYTES

        if self.memory_budget_gb is None:
            return None
        left = int(self.memory_budget_gb * 2**30) - PROCESS_BYTES
        return Room(left, f"memory_budget_gb of {self.memory_budget_gb:g}")

    def predictor(self, ctx: StageContext) -> Predictor:
        """Returns the loaded network, ready for this node's device and threads."""
        set_threads(ctx)
        from pipeline.inference.open_predictor import open_predictor

        return open_predictor(
            ctx,
            self.detector,
            precision=self.precision,
            engine=self.engine,
            max_candidates=self.max_candidates,
            decides=self.decides,
            memory_gb=self.memory_budget_gb,
            # Originals, and what a mode makes of them, may be of any size: planned for is the largest 8K canvas.
            long_edge=parse_canvas(self.canvas).long_edge if self.mode == SINGLE else None,
        )
