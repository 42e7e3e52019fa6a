"""Scales of the training faces, as labelled and after each augmentation, without reading images.

MogFace argues with such a distribution (Fig. 1b): plain training images leave some levels of the pyramid almost without
faces. The scale of a face is the root of its area, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.records import Sample
from pipeline.training.augment.face_scale import FaceScale
from pipeline.training.augment.labelled_image import Float32, face_scales, has_area
from pipeline.training.augment.policy import Policy, SampledAugmentation
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.sse import PAPER_EDGES, SelectiveScale

SCALE_EDGES: Final = tuple(2.0 ** (step / 2) for step in range(4, 21))
"""Borders of the bins: half octaves from 4 to 1024 pixels."""


@dataclass(frozen=True, slots=True)
class SampledScales:
    """Scales of a set after an augmentation.

    Attributes:
        scales: float32 [N], of all faces left in the training images, in pixels of those.
        targets: float64 [T], sizes to which faces were to be scaled, pixels; none for augmentations without a target.
    """

    scales: Float32
    targets: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelShares:
    """Distribution of target sizes over the levels p2..p7.

    Attributes:
        edges: seven borders of the levels' ranges, pixels.
        counts: int64 [6].
        shares: float64 [6], of all targets; together below 1 where some are outside every range.
        expected: float64 [6], the same in closed form, or None where the size depends on the faces.
    """

    edges: tuple[float, ...]
    counts: NDArray[np.int64]
    shares: NDArray[np.float64]
    expected: NDArray[np.float64] | None


def labelled_scales(samples: Sequence[Sample]) -> Float32:
    """Returns float32 [F]: the scale of every face with an area, in pixels of its original."""
    return _joined([face_scales(sample.boxes[has_area(sample.boxes)]) for sample in samples])


def sampled_scales(samples: Sequence[Sample], policy: Policy, seed: int, epochs: int = 1) -> SampledScales:
    """Returns the scales and targets of `epochs` passes over a set, from plans alone.

    Random numbers depend on seed, epoch and image alone (`generator_for`), not on the order of the images.

    Args:
        samples: images of known size; those of width or height 0, which could not be read, are left out.
        policy: samples the plans.
        seed: 0 or more.
        epochs: passes, each sampled independently.
    """
    scales, targets = [], []
    for epoch in range(epochs):
        for sample in samples:
            if not sample.width or not sample.height:
                continue
            rng = generator_for(seed, epoch, sample.image_id)
            plan = policy.sample(rng, sample.width, sample.height, sample.boxes)
            scales.append(seen_scales(plan, sample.boxes))
            if plan.view.target is not None:
                targets.append(plan.view.target)
    return SampledScales(_joined(scales), np.array(targets, np.float64))


def seen_scales(plan: SampledAugmentation, boxes: Float32) -> Float32:
    """Returns float32 [K]: the scales of the faces that `plan.apply` would leave, in pixels of the training image.

    The same rules in the same order: `View.visible`, then small ones dropped unless all are. The mirror changes no
    scale.

    Args:
        plan: of one image.
        boxes: float32 [F, 4] xyxy in pixels of that image.
    """
    placed, visible = plan.view.visible(boxes)
    scales = face_scales(placed[visible])
    large = scales >= plan.policy.min_face
    return scales[large] if large.any() else scales


def scale_histogram(scales: Float32, edges: Sequence[float] = SCALE_EDGES) -> NDArray[np.int64]:
    """Returns int64 [E + 1]: faces below the first of E borders, between each two, and from the last on."""
    return np.bincount(np.digitize(scales, edges), minlength=len(edges) + 1).astype(np.int64)


def level_shares_of(policy: Policy, targets: NDArray[np.float64]) -> LevelShares:
    """Returns the share of targets per level, in the policy's own ranges if it has some, else those of Table 2.

    A border belongs to the range above it; targets outside all ranges count for none.

    Args:
        policy: that sampled them.
        targets: float64 [T], pixels.
    """
    aim = policy.geometry.target if isinstance(policy.geometry, FaceScale) else None
    selective = aim if isinstance(aim, SelectiveScale) else None
    edges = PAPER_EDGES if selective is None else selective.edges
    inside = np.digitize(targets, edges)
    counts = np.bincount(inside, minlength=len(edges) + 1)[1 : len(edges)].astype(np.int64)
    return LevelShares(
        edges, counts, counts / max(len(targets), 1), None if selective is None else selective.expected_shares()
    )


def _joined(parts: Sequence[Float32]) -> Float32:
    return np.concatenate([np.zeros(0, np.float32), *parts])
