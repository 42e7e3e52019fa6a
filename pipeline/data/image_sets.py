"""Nodes with the same images: the check, and one work item per image over all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.records import Detections
from pipeline.engine.items import Items
from pipeline.engine.manifest import SHARD, Artifact
from pipeline.engine.shard_record import KEY, VERSION


def require_equal_images(one: str, ones: Collection[str], other: str, others: Collection[str], advice: str) -> None:
    """Raises ValueError where nodes ``one`` and ``other`` have different images, with counts, examples and advice."""
    sides = ((one, set(ones) - set(others), other), (other, set(others) - set(ones), one))
    lacks = [f"{len(odd)} images of {a} are not in {b}, such as {min(odd)}" for a, odd, b in sides if odd]
    if lacks:
        raise ValueError(f"{'; '.join(lacks)}; {advice}")


def require_known_images(detections: Artifact, samples: Artifact) -> None:
    """Raises ValueError where detections are of images that the samples do not have; the reverse is allowed."""
    found = detections.keys()
    unknown = found.filter(pc.invert(pc.is_in(found, samples.keys())))
    if len(unknown):
        raise ValueError(
            f"{detections.node}: {len(unknown)} of {len(found)} images are not in {samples.node}: "
            f"{', '.join(sorted(unknown.to_pylist())[:3])}; use a dump with the dataset it was made of"
        )


def refined_items(refined: Artifact, samples: Artifact, columns: Sequence[str] = (), version: str = VERSION) -> Items:
    """Returns one item per row of `refined`, in their order, with the name of its shard as `data["shard"]`.

    Args:
        refined: detections of images of the samples.
        samples: the images.
        columns: of the samples, which become data of the items.
        version: the column of the samples that an item's version changes with, beside the row of `refined`.

    Raises:
        ValueError: if it has images that the samples do not have.
    """
    require_known_images(refined, samples)
    rows, images = refined.listing(), samples.listing(columns)
    images = images.take(pc.index_in(rows[KEY], images[KEY]))
    data = images.select(columns).append_column(SHARD, rows[SHARD])
    return Items(rows[KEY], joined_versions([rows[VERSION], images[version]]), data)


def joined_items(artifacts: Sequence[Artifact], advice: str) -> Items:
    """Returns one item per image, in the order of the first node: `data["shards"]` names its shard in each of them.

    Raises:
        ValueError: a node has other images than the first one; `advice` ends the message.
    """
    listings = [artifact.listing() for artifact in artifacts]
    first, keys = artifacts[0], listings[0][KEY]
    for place, (artifact, rows) in enumerate(zip(artifacts[1:], listings[1:], strict=True), start=1):
        at = pc.index_in(keys, rows[KEY])
        if at.null_count or len(rows) != len(keys):
            require_equal_images(first.node, keys.to_pylist(), artifact.node, rows[KEY].to_pylist(), advice)
        listings[place] = rows.take(at)
    shards = _lists([rows[SHARD].combine_chunks() for rows in listings])
    return Items(keys, joined_versions([rows[VERSION] for rows in listings]), pa.table({"shards": shards}))


def unusable(node: str, error: str | None, size: tuple[int, int], others: Mapping[str, Detections]) -> list[str]:
    """Returns what keeps the rows of one image in several nodes from being used together, a line each; [] if nothing.

    Args:
        node: that says how large the image is.
        error: of its row, or None.
        size: width and height in pixels, where it has no error.
        others: rows of the other nodes, by their names: they have no error, and the boxes of an image of that size.
    """
    problems = [] if error is None else [f"{node}: {error}"]
    for name, row in others.items():
        if row.error is not None:
            problems.append(f"{name}: {row.error}")
        elif error is None and (row.width, row.height) != size:
            sizes = f"{row.width} x {row.height}, {node} has {size[0]} x {size[1]}"
            problems.append(f"{name}: its boxes are of an image of {sizes}")
    return problems


def joined_versions(versions: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Returns versions that change where one of several does: their texts, one after the other."""
    return pc.binary_join_element_wise(*(each.cast(pa.string()) for each in versions), "+")


def _lists(columns: Sequence[pa.DictionaryArray]) -> pa.ListArray:
    """Returns the values of columns of texts row by row, each text once in memory."""
    starts = np.cumsum([0, *(len(column.dictionary) for column in columns)])
    indices = [column.indices.to_numpy() + start for column, start in zip(columns, starts[:-1], strict=True)]
    flat = pa.array(np.stack(indices, axis=1).astype(np.int32).ravel())
    texts = pa.concat_arrays([column.dictionary for column in columns])
    ends = pa.array(np.arange(len(columns[0]) + 1, dtype=np.int32) * len(columns))
    return pa.ListArray.from_arrays(ends, pa.DictionaryArray.from_arrays(flat, texts))
