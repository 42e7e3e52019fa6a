"""Images of an earlier index, read and decoded while the network is busy with the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pipeline.data.images import decode
from pipeline.engine.gang import ahead
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Item, StageContext
from stages.image_source import indexed_source

IMAGES_AHEAD = 4  # originals, 2 MB each at 1024 px: an enlarged image is never held but the one in work
DECODE_THREADS = 2
Fetched = tuple[Item, bytes | None, str | None]
Decoded = tuple[Item, NDArray[np.uint8] | None, str | None]


def _stamp(item: Item) -> str:
    return item.stamp


def decoded_images(
    ctx: StageContext, samples: Artifact, digest_of: Callable[[Item], str] = _stamp
) -> Callable[[Sequence[Item]], Iterator[Decoded]]:
    """Returns a function from items to (item, image, error) of each in order: uint8 [H, W, 3] BGR, or why not.

    It fetches, and where there is a core to spare decodes, the next images during this one. What is wrong with an image
    is its error; trouble of the machine is raised.

    Args:
        ctx: of the stage.
        samples: the index that the images are of.
        digest_of: the digest that an item's image was indexed with; its path is the item's ``data["path"]``.
    """
    read = indexed_source(ctx, samples)
    threads = ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="decode")
    # On its only core the network and a decoder beside it take 75 ms of CPU an image, one after the other 64.
    spare_core = ctx.resources.gpus > 0 or ctx.resources.cpus > 1

    def fetch(item: Item) -> Fetched:
        try:
            return item, read(item.data["path"], digest_of(item)), None
        # Of this image; any other OSError (a stale mount, no descriptors left) is the machine's and stops the node.
        except (FileNotFoundError, IsADirectoryError, PermissionError, ValueError) as error:
            return item, None, f"{type(error).__name__}: {error}"

    def load(fetched: Fetched) -> Decoded:
        item, data, error = fetched
        try:
            return item, None if data is None else decode(data), error
        except ValueError as problem:
            return item, None, f"{type(problem).__name__}: {problem}"

    def images(items: Sequence[Item]) -> Iterator[Decoded]:
        if spare_core:
            return ahead(threads, lambda item: load(fetch(item)), items, IMAGES_AHEAD)
        return map(load, ahead(threads, fetch, items, IMAGES_AHEAD))

    return images
