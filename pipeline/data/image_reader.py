"""Images of an earlier index, read and decoded while the network is busy with the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.data.image_bytes import indexed_source
from pipeline.data.images import Image, decode
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Item, StageContext
from pipeline.engine.worker_group import prefetch

IMAGES_AHEAD = 4  # originals, 2 MB each at 1024 px: an enlarged image is never held but the one in work
GPU_IMAGES_AHEAD = 64  # two batches
THREADS = 2  # at least: the next files are fetched beside the decoding of one
Fetched = tuple[Item, bytes | None, str | None]
Decoded = tuple[Item, Image | None, str | None]


def _pinned(image: Image) -> Image:
    """Returns the image in memory from which a GPU copies while the host goes on."""
    import torch

    held: Image = torch.from_numpy(image).pin_memory().numpy()
    return held


def _as_is(image: Image) -> Image:
    return image


def _stamp(item: Item) -> str:
    return item.version


def read_images(
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
    accelerated = ctx.resources.gpus > 0
    count = max(THREADS, int(ctx.resources.cpus))
    threads = ThreadPoolExecutor(count, thread_name_prefix="decode")
    depth = max(GPU_IMAGES_AHEAD if accelerated else IMAGES_AHEAD, 2 * count)
    # On its only core the network and a decoder beside it take 75 ms of CPU an image, one after the other 64.
    spare_core = accelerated or ctx.resources.cpus > 1
    keep = _pinned if accelerated else _as_is

    def fetch(item: Item) -> Fetched:
        try:
            return item, read(item.data["path"], digest_of(item)), None
        # Of this image; any other OSError (a stale mount, no descriptors left) is the machine's and stops the node.
        except (FileNotFoundError, IsADirectoryError, PermissionError, ValueError) as error:
            return item, None, f"{type(error).__name__}: {error}"

    def load(fetched: Fetched) -> Decoded:
        item, data, error = fetched
        try:
            return item, None if data is None else keep(decode(data)), error
        except ValueError as problem:
            return item, None, f"{type(problem).__name__}: {problem}"

    def images(items: Sequence[Item]) -> Iterator[Decoded]:
        if spare_core:
            return prefetch(threads, lambda item: load(fetch(item)), items, depth)
        return map(load, prefetch(threads, fetch, items, depth))

    return images
