"""Checks that nodes are about the same images; the message says which of them lacks what."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.engine.manifest import Artifact


def require_equal_images(one: str, ones: Collection[str], other: str, others: Collection[str], advice: str) -> None:
    """Raises ValueError where two nodes have different images, with counts and an example of either side.

    Args:
        one: name of a node.
        ones: its image ids.
        other: name of another.
        others: likewise.
        advice: what to do.
    """
    sides = ((one, set(ones) - set(others), other), (other, set(others) - set(ones), one))
    lacks = [
        f"{len(odd)} images of {has} are not in {without}, such as {min(odd)}" for has, odd, without in sides if odd
    ]
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
