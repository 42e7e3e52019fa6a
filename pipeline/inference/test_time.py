"""Test-time modes: the passes over an image (size, mirrored or not), and how their boxes are fused.

A mode is data: a tuple of passes for an image of a given size, and a fusion rule. `MODES` has those of the papers.
Importing this file costs no torch, so that planning a run can name them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.frame import MOGFACE, RETINAFACE, Convention
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.engine.registry import Registry
from pipeline.inference.fusion import Fusion, Voting, fuse
from pipeline.inference.sizes import RetinaFaceSize, Scale, mogface_largest

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor, Sizing

_LEFT_RIGHT: Final = [1, 0, 2, 4, 3]  # eyes and mouth corners change sides in a mirror


@dataclass(frozen=True, slots=True)
class SizeFilter:
    """Which boxes of a pass count: those whose measure is strictly between two bounds; None is no bound.

    In pixels of the original, by corners in the frame of MogFace's code, whose filters these are: "area" is the product
    of their plain differences, "longer" and "shorter" are sides with both end pixels.
    """

    measure: Literal["area", "longer", "shorter"] = "area"
    above: float | None = None  # lower bound
    below: float | None = None  # upper bound

    def keeps(self, found: ScoredBoxes) -> NDArray[np.bool_]:
        """Returns bool [N], which of the boxes count, whatever frame they are in."""
        corners = found.corners(MOGFACE.frame)
        sides = corners[:, 2:] - corners[:, :2]
        by_side = sides.max(1) if self.measure == "longer" else sides.min(1)
        value = sides.prod(1) if self.measure == "area" else by_side + 1
        kept: NDArray[np.bool_] = np.ones(len(value), bool)
        if self.above is not None:
            kept &= value > self.above
        if self.below is not None:
            kept &= value < self.below
        return kept


@dataclass(frozen=True, slots=True)
class Postprocess:
    """Score cut, MogFace's suppression and limit of one pass before its boxes are fused; see `detections`."""

    score: float = 0.02  # kept are scores strictly greater
    iou: float | None = None  # threshold of suppression; None: no suppression
    max_detections: int | None = None  # most boxes left; after suppression equal scores may leave more

    def __call__(self, found: ScoredBoxes) -> ScoredBoxes:
        """Returns the boxes that are left, best first."""
        if self.iou is None:
            return found.take(found.scores > np.float32(self.score)).take(slice(self.max_detections))
        from pipeline.inference.postprocess import detections

        limits = {"max_before_nms": None, "max_detections": self.max_detections}
        return detections(found, score=self.score, iou=self.iou, convention=MOGFACE, **limits)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of an image through the detector: its candidates, postprocessed and filtered by size."""

    sizing: Sizing  # size at which the detector sees the image
    mirrored: bool = False  # left and right are exchanged before, and back in the boxes
    postprocess: Postprocess | None = None  # None leaves the candidates as they are
    sizes: SizeFilter | None = None  # which boxes count, None for all

    def __call__(self, predictor: Predictor, image_bgr: NDArray[np.uint8]) -> ScoredBoxes:
        """Returns the boxes of this pass, best first, in pixels of the image as it was given."""
        from pipeline.inference.batches import candidates_within_memory

        pixels = np.ascontiguousarray(image_bgr[:, ::-1]) if self.mirrored else image_bgr
        found = candidates_within_memory(predictor, pixels, self.sizing)
        found = unflip(found, image_bgr.shape[1]) if self.mirrored else found
        found = self.postprocess(found) if self.postprocess else found
        return found.take(self.sizes.keeps(found)) if self.sizes else found


@dataclass(frozen=True, slots=True)
class Mode:
    """A set of passes and their fusion."""

    description: str  # one line for a list of choices
    passes: Callable[[int, int], tuple[Pass, ...]]  # (width, height) of an image -> its passes, at least one
    fusion: Fusion | None = None  # of their boxes; None, for a single pass only, leaves candidates as they are
    convention: Convention = RETINAFACE  # of the mode's code, also for the suppression of its candidates


def detect(predictor: Predictor, image_bgr: NDArray[np.uint8], mode: Mode) -> ScoredBoxes:
    """Returns the boxes of a mode for uint8 [H, W, 3] BGR, best first, in its pixels.

    Each pass keeps at most the predictor's ``max_candidates``.

    Raises ValueError: not such an image, damaged weights, or several passes and no fusion rule.
    """
    height, width = image_bgr.shape[:2]
    passes = mode.passes(width, height)
    if mode.fusion is None and len(passes) != 1:
        raise ValueError(f"{len(passes)} passes need a fusion rule")
    found = [each(predictor, image_bgr) for each in passes]
    return found[0] if mode.fusion is None else fuse(found, mode.fusion)


def unflip(found: ScoredBoxes, width: int) -> ScoredBoxes:
    """Returns the boxes of a mirrored image, ``width`` pixels wide, in the image as it was.

    A box (x1, y1, x2, y2) becomes (W - x2, y1, W - x1, y2); the left eye and mouth corner become the right ones.
    """
    wide = np.float32(width - found.frame.last)
    boxes = np.stack([wide - found.boxes[:, 2], found.boxes[:, 1], wide - found.boxes[:, 0], found.boxes[:, 3]], 1)
    if found.landmarks is None:
        return replace(found, boxes=boxes)
    landmarks = found.landmarks[:, _LEFT_RIGHT].copy()
    landmarks[..., 0] = np.float32(width) - landmarks[..., 0]
    return replace(found, boxes=boxes, landmarks=landmarks)


def crface(sizings: Sequence[Sizing], score: float = 0.02) -> Mode:
    """Returns CRFace's multi-scale mode: each size plain and mirrored, fused by box voting at 0.4.

    The paper gives sizes and voting; here all candidates above RetinaFace's score cut vote, unsuppressed.
    """
    cut = Postprocess(score)
    passes = tuple(Pass(sizing, mirrored, cut) for sizing in sizings for mirrored in (False, True))
    return Mode(f"CRFace: {len(passes)} passes, box voting 0.4", lambda width, height: passes, Voting())


def mogface(*, hard: bool = False, window: float | None = None) -> Mode:
    """Returns the multi-scale mode of MogFace's code: up to twelve passes with size filters, fused by voting.

    The paper only says "multi-scale results ensemble"; scales, filters and thresholds are the code's.

    Args:
        hard: its preset for the hard subset: narrower filters, looser suppression, a further mirrored pass.
        window: W, which scales the area filters; None is 15, or 10 with ``hard``. -1 selects the code's older rule,
            by the sides of the boxes.
    """
    wide = (10.0 if hard else 15.0) if window is None else window
    each = Postprocess(0.01, 0.4 if hard else 0.3, 750)
    voting = Voting(0.5 if hard else 0.6, cap=750, convention=MOGFACE)
    name = "MogFace: multi-scale as in the code" + (", hard preset" if hard else "")

    def passes(width: int, height: int) -> tuple[Pass, ...]:
        largest = mogface_largest(width, height, hard=hard)
        plain = Scale(min(1.0, largest))
        calls = [Pass(plain, False, each), Pass(plain, True, each)]
        calls += [Pass(Scale(s), False, each, sizes) for s, sizes in mogface_filtered(largest, wide)]
        if hard:
            calls.append(Pass(Scale(1.4), True, each))  # even where the image is too large for it: as in the code
        return tuple(calls)

    return Mode(name, passes, voting, MOGFACE)


def mogface_filtered(largest: float, window: float) -> list[tuple[float, SizeFilter]]:
    """Returns (scale, filter) of MogFace's shrunk, enlarged and pyramid calls, in its order.

    ``largest`` is the scale of `mogface_largest`; ``window`` is W, or -1 for the older rule.
    """
    old = window < 0
    big = SizeFilter("longer", above=30) if old else SizeFilter(above=2000)

    def small(share: float) -> SizeFilter:
        return SizeFilter("shorter", below=100) if old else SizeFilter(below=share * window)

    shrunk = 0.5 if largest >= 0.75 else 0.5 * largest
    calls = [(shrunk, big)]
    if largest > 0.75:
        calls.append((0.75, big))
    calls.append((min(2.0, largest) if largest > 1 else (shrunk + largest) / 2, small(600)))
    if largest > 1.5:
        calls.append((1.5, small(800)))
    if largest > 2:
        calls.append((largest, small(500)))
    calls.append((0.25, big))
    for scale, share in ((1.25, 2000), (1.75, 1000), (2.25, 600)):
        if scale <= largest:
            # The older rule treats the first of them like a shrunk one.
            calls.append((scale, big if old and scale == 1.25 else small(share)))
    return calls


def _one(description: str, sizing: Callable[[int, int], Sizing], convention: Convention = RETINAFACE) -> Mode:
    return Mode(description, lambda width, height: (Pass(sizing(width, height)),), convention=convention)


SINGLE = "single"
MODES = Registry(
    "test-time mode",
    {
        SINGLE: _one("one pass at original size", lambda width, height: ORIGINAL),
        "retinaface_1600": _one("one pass, short edge 1600, long one at most 2150", lambda w, h: RetinaFaceSize()),
        "mogface_single": _one(
            "one pass at original size, above 10.7 megapixels reduced to that",
            lambda width, height: Scale(min(1.0, mogface_largest(width, height, capped=False))),
            MOGFACE,
        ),
        "crface_multi": crface([Canvas(short_edge=edge) for edge in (500, 800, 1100, 1400, 1700)]),
        "crface_8k_multi": crface([Canvas(edge) for edge in (7680, 5760, 4096)]),
        "mogface_multi": mogface(),
        "mogface_multi_hard": mogface(hard=True),
        "mogface_multi_sides": mogface(window=-1),
    },
)
