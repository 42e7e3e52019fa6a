"""What stages that run a network have in common: the source of its weights, and its threads."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.engine.stage import Item, StageContext
from pipeline.models.published import weights_file


def planned_weights(ctx: StageContext, port: str = "checkpoint") -> bytes:
    """Returns the checkpoint: the file at the node's `path`, else the output of the node wired to `port`.

    Raises ValueError: as `planned_file`.
    """
    if ctx.path:
        return planned_file(ctx)
    (row,) = ctx.one(port).rows(["weights"])
    trained: bytes = row["weights"]
    return trained


def planned_file(ctx: StageContext) -> bytes:
    """Returns the weights file at the node's `path`. Raises ValueError: the file has changed since planning."""
    data = weights_file(Path(ctx.path or "")).read_bytes()
    if ctx.file_hashes.get("weights") not in (None, hashlib.sha256(data).hexdigest()):
        raise ValueError(f"weights at {ctx.path} on {socket.gethostname()} are not those that were planned")
    return data


@contextmanager
def naming_weights(ctx: StageContext, port: str = "checkpoint") -> Iterator[None]:
    """Adds the file, or the node wired to `port`, to the message of an invalid checkpoint."""
    try:
        yield
    except ValueError as error:
        made = ctx.inputs.get(port)
        where = ctx.path or (made[0].node if made else None)
        raise ValueError(f"{where}: {error}" if where else str(error)) from error


def size_of(item: Item) -> dict[str, int]:
    """Returns width and height of an item's image from its index, 0 where it could not be read."""
    return {name: int(item.data.get(name, 0)) for name in ("width", "height")}


def set_threads(ctx: StageContext) -> None:
    """Gives torch and OpenCV in this process the threads of the node's worker; best before torch is imported."""
    threads = max(1, int(ctx.resources.cpus))
    if threads > 1:
        # Huge pages: a third off an 8K image on two threads, nothing on one. Read when torch is imported.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
