"""Nodes with the same images: the check, and one work item per image over all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pipeline.engine.fingerprint import hash_json
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Item


def require_equal_images(one: str, ones: Collection[str], other: str, others: Collection[str], advice: str) -> None:
    """Raises ValueError where nodes ``one`` and ``other`` have different images, with counts, examples and advice."""
    sides = ((one, set(ones) - set(others), other), (other, set(others) - set(ones), one))
    lacks = [f"{len(odd)} images of {a} are not in {b}, such as {min(odd)}" for a, odd, b in sides if odd]
    if lacks:
        raise ValueError(f"{'; '.join(lacks)}; {advice}")


def require_known_images(detections: Artifact, samples: Artifact) -> None:
    """Raises ValueError where detections are of images that the samples do not have; the reverse is allowed."""
    known, found = set(samples.keys()), list(detections.keys())
    if unknown := sorted(set(found) - known):
        raise ValueError(
            f"{detections.node}: {len(unknown)} of {len(found)} images are not in {samples.node}: "
            f"{', '.join(unknown[:3])}; use a dump with the dataset it was made of"
        )


def joined_items(artifacts: Sequence[Artifact], advice: str) -> list[Item]:
    """Returns one item per image, in the order of the first node: `data["shards"]` names its shard in each of them.

    Raises:
        ValueError: a node has other images than the first one; `advice` ends the message.
    """
    versions, shards = dict[str, list[str]](), dict[str, list[str]]()
    for place, artifact in enumerate(artifacts):
        rows = {key: (version, shard) for key, version, shard in artifact.item_versions()}
        if place:
            require_equal_images(artifacts[0].node, versions, artifact.node, rows, advice)
        for key, (version, shard) in rows.items():
            versions.setdefault(key, []).append(version)
            shards.setdefault(key, []).append(shard)
    # Most images share their shards with others: one tuple for all of them.
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    return [
        Item(key, hash_json(parts, size=8), known.setdefault(names := tuple(shards.pop(key)), {"shards": names}))
        for key, parts in versions.items()
    ]
