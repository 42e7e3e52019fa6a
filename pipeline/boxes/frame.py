"""The two ways to write the corners of one and the same box, and how a publication's code counts its pixels.

A box of w pixels that begins at x1 ends at x2 = x1 + w where its corners are continuous, and at x2 = x1 + w - 1 where
x2 is its last pixel. Whatever is stored or handed on here is continuous; MogFace's code holds last pixels. A rule of
that code applied to continuous corners is another rule: every side is one pixel too long for it. So a rule names the
frame that it was made for, boxes know theirs, and the caller asks for the corners in the rule's frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


class Frame(StrEnum):
    """What the second corner of a box is."""

    CONTINUOUS = "continuous"  # its end: x2 = x1 + width
    INCLUSIVE = "inclusive"  # its last pixel: x2 = x1 + width - 1

    @property
    def last(self) -> float:
        """Pixels between the second corner and the end of the box: 0 or 1."""
        return float(self is Frame.INCLUSIVE)

    def corners(self, boxes_N4: NDArray[np.floating[Any]], of: Frame) -> Float64:
        """Returns float64 [N, 4] in this frame of boxes [N, 4] xyxy in pixels in the frame ``of``."""
        return boxes_N4.astype(np.float64) + np.array([0.0, 0.0, 1.0, 1.0]) * (of.last - self.last)


@dataclass(frozen=True, slots=True)
class Convention:
    """How one publication's code suppresses boxes and votes on them; one whole, so that no part of it is forgotten.

    Attributes:
        frame: of the boxes in that code.
        pixel_inclusive: its suppression adds one pixel to every side.
        iou_inclusive: its suppression drops an overlap equal to the threshold.
        ties: its suppression keeps boxes as good as the last one, beyond the limit.
        votes_pixel_inclusive: its voting adds one pixel to every side.
        rounded: its voting rounds corners to whole pixels first.
    """

    frame: Frame = Frame.CONTINUOUS
    pixel_inclusive: bool = False
    iou_inclusive: bool = False
    ties: bool = False
    votes_pixel_inclusive: bool = False
    rounded: bool = False


PLAIN: Final = Convention()
"""Sides are what they are: x2 - x1."""

RETINAFACE: Final = Convention(pixel_inclusive=True, votes_pixel_inclusive=True)
"""RetinaFace's suppression, and CRFace's fusion of scales here: continuous boxes, one pixel more all the same."""

MOGFACE: Final = Convention(
    frame=Frame.INCLUSIVE,
    pixel_inclusive=True,
    iou_inclusive=True,
    ties=True,
    votes_pixel_inclusive=False,
    rounded=True,
)
"""MogFace's code: last pixels, counted in its suppression and not in its voting."""

CONVENTIONS: Final[Mapping[str, Convention]] = MappingProxyType(
    {"retinaface": RETINAFACE, "mogface": MOGFACE, "plain": PLAIN}
)
"""By the name that a config gives."""
