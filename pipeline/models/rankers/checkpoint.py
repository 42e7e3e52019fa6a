"""A ranker and its checkpoint: `pipeline.models.weights.save_bytes` writes one, this reads it."""

from __future__ import annotations

from pathlib import Path

from pipeline.models.checkpoint_id import resolve_ranker, stored_config
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.frame import stored_frame
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import built, load, model_args_of


def open_ranker(source: bytes | str | Path, requested: str | None = None) -> tuple[str, Ranker]:
    """Returns the name and the loaded ranker of a checkpoint, in evaluation mode on the CPU.

    It is built with the switches that the checkpoint says, and sees images as in its training.

    Args:
        source: checkpoint, its bytes or its path.
        requested: ranker the user asked for, None for whichever it is.

    Raises:
        ValueError: it is a detector's or no checkpoint of ours, it is another ranker's, or its tensors do not fit.
    """
    name = resolve_ranker(source, requested)
    ranker = built(RANKERS.find(name).build, model_args_of(source), source)
    ranker.frame = stored_frame(stored_config(source) or {})
    load(ranker, source)
    return name, ranker.eval()
