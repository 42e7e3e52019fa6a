"""Detections that are refined with their image beside them: the items and the loop that such stages share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pipeline.data import image_sets
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import Image
from pipeline.data.records import Detections
from pipeline.data.shard_reader import ShardReader
from pipeline.engine.items import Item, Items
from pipeline.engine.measures import timed
from pipeline.engine.stage import Row, StageContext

Refine = Callable[[Image, Detections], Detections]


def refined_items(ctx: StageContext, port: str) -> Items:
    """Returns one item per row of the detections at `port`, with its shard, and path and size of its image.

    Raises:
        ValueError: if they have images that the samples do not have.
    """
    columns = ["content_hash", "path", "width", "height"]
    return image_sets.refined_items(ctx.one(port), ctx.one("samples"), columns, version="content_hash")


def refined_rows(ctx: StageContext, port: str, refine: Refine) -> Callable[[Sequence[Item]], Iterator[Row]]:
    """Returns a worker that holds one shard at a time and reads the next images during this one.

    What is wrong with one image, its detections or its size is the error of its row.

    Args:
        ctx: of a stage with the inputs `samples` and `port`.
        port: input of the detections; an item's ``data["shard"]`` is the shard they are in.
        refine: image, uint8 [H, W, 3] BGR, and its detections to those of the row. A ValueError, or a RuntimeError for
            lack of memory, is the image's; any other RuntimeError ends the node.
    """
    from pipeline.inference.own_error import error_text, or_own_error

    images, rows = ImageReader(ctx, ctx.one("samples")), ShardReader(ctx.one(port))

    def work(items: Sequence[Item]) -> Iterator[Row]:
        for item, image, error in images.ahead(items):
            found = rows.get(item.data["shard"], item.key)
            if image is None or found.error:
                yield _failed(found, found.error or str(error)).to_row()
                continue
            with timed("network"):
                refined = or_own_error(partial(refine, image, found))
            if isinstance(refined, Exception):
                refined = _failed(found, error_text(refined))
            yield refined.to_row()

    return work


def _failed(found: Detections, error: str) -> Detections:
    return Detections(found.image_id, found.width, found.height, error=error)
