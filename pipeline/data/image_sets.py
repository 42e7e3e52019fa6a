"""Whether nodes are about the same images, said so that one sees which of them lacks what."""

from __future__ import annotations

from collections.abc import Collection


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
