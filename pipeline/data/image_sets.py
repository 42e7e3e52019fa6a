"""Checks that nodes are about the same images; the message says which of them lacks what."""

from collections.abc import Collection

from pipeline.engine.manifest import Artifact


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
