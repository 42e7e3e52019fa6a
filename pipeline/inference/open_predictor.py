"""From a node's weights to a detector that is ready on its device: opened, with the score that counts, and run once."""

import numpy as np
import torch

from pipeline.data.canvas import parse_canvas
from pipeline.engine.stage import StageContext
from pipeline.inference.engines import ENGINES
from pipeline.inference.memory import TileBudget
from pipeline.inference.predictor import Predictor
from pipeline.inference.worker import naming_weights, planned_weights
from pipeline.models.detectors.detector import Detector
from pipeline.models.detectors.spec import Decides
from pipeline.models.weights import open_detector


def open_predictor(
    ctx: StageContext,
    requested: str | None = None,
    *,
    precision: str = "float32",
    engine: str = "torch",
    max_candidates: int = 5000,
    decides: Decides | None = None,
    memory_gb: float | None = None,
    long_edge: int | None = None,
) -> Predictor:
    """Returns the detector of a node's weights, ready for the node's device; threads are the caller's to set before.

    Args:
        ctx: of the node; it has a file of weights, or an input `checkpoint`.
        requested: entry of `DETECTORS`; needed only where the weights do not name it.
        precision: name of a type of torch that the network computes with.
        engine: entry of `ENGINES`.
        max_candidates: most candidates per image.
        decides: see `Detector.decide_by`; None: what its model args say.
        memory_gb: of one worker process on a CPU, see `TileBudget`; None: the whole canvas at once.
        long_edge: of the largest canvas that memory is planned for, pixels; None: of the largest 8K one.

    Raises ValueError: weights that do not fit, a choice that the detector does not have, or too little memory.
    """
    weights = planned_weights(ctx)
    with naming_weights(ctx):
        _, detector = open_detector(weights, requested)
    if decides is not None:
        detector.decide_by(decides)
    predictor = Predictor(
        detector,
        device="cuda" if ctx.resources.gpus else "cpu",
        max_candidates=max_candidates,
        tile=None if memory_gb is None else _tiles(detector, engine, memory_gb, long_edge),
        dtype=getattr(torch, precision),
        engine=engine,
        gpu_share=ctx.resources.gpus,
    )
    # A first pass is slow, and one that fails here fails the node at once instead of image after image.
    predictor.candidates(np.zeros((256, 256, 3), np.uint8), parse_canvas("original"))
    return predictor


def _tiles(detector: Detector, engine: str, memory_gb: float, long_edge: int | None) -> TileBudget:
    memory, factor = int(memory_gb * 2**30), ENGINES.find(engine).memory
    if long_edge is None:
        return TileBudget(detector, memory, factor=factor)
    return TileBudget(detector, memory, long_edge, long_edge, factor)
