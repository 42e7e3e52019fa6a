"""Test-time modes: at which sizes, mirrored or not, an image is looked at, and how what is found becomes one.

A mode is data: for an image of a given size a tuple of passes, and a rule of fusion. `MODES` has those of the papers.
Importing this file costs no torch, so that planning a run can name them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.frame import MOGFACE, RETINAFACE, Convention, Frame
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.engine.registry import Registry
from pipeline.inference.candidates import Candidates
from pipeline.inference.fusion import Fusion, Voting, fuse
from pipeline.inference.sizes import RetinaFaceSize, Scale, mogface_largest

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor, Sizing

_LEFT_RIGHT: Final = [1, 0, 2, 4, 3]  # eyes and mouth corners change sides in a mirror


@dataclass(frozen=True, slots=True)
class SizeFilter:
    """Which boxes of a pass count: those whose measure lies strictly between two bounds; None is no bound.

    Attributes:
        measure: "area", the product of the plain differences of corners, or the "longer" or "shorter" side with both
            its end pixels; in pixels of the original.
        above: lower bound.
        below: upper bound.
        frame: of the corners that are measured; MogFace's, whose filters these are.
    """

    measure: Literal["area", "longer", "shorter"] = "area"
    above: float | None = None
    below: float | None = None
    frame: Frame = MOGFACE.frame

    def keeps(self, found: Candidates) -> NDArray[np.bool_]:
        """Returns bool [N], which of the boxes count, whatever frame they are in."""
        corners = found.corners(self.frame)
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
class Thinning:
    """What is done to the candidates of one pass before they are fused; see `pipeline.inference.postprocess`.

    Attributes:
        score: kept are scores strictly greater.
        iou: threshold of suppression; None: no suppression.
        max_detections: most boxes that are left; equal scores may leave more, where the convention says so.
        convention: of suppression.
    """

    score: float = 0.02
    iou: float | None = None
    max_detections: int | None = None
    convention: Convention = MOGFACE

    def __call__(self, found: Candidates) -> Candidates:
        """Returns what is left, best first."""
        if self.iou is None:
            return found.take(found.scores > np.float32(self.score)).take(slice(self.max_detections))
        from pipeline.inference.postprocess import detections

        return detections(
            found,
            score=self.score,
            iou=self.iou,
            max_before_nms=None,
            max_detections=self.max_detections,
            convention=self.convention,
        )


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at the image: the best candidates the predictor keeps (5,000 by default), thinned and filtered.

    Attributes:
        sizing: size at which the detector sees the image.
        mirrored: left and right are exchanged first, and back in what is found.
        thinning: None leaves the candidates as they are.
        sizes: which boxes count, None for all.
    """

    sizing: Sizing
    mirrored: bool = False
    thinning: Thinning | None = None
    sizes: SizeFilter | None = None

    def __call__(self, predictor: Predictor, image_bgr: NDArray[np.uint8]) -> Candidates:
        """Returns what this look finds, best first, in pixels of the image as it was given."""
        from pipeline.inference.batches import candidates_within_memory

        pixels = np.ascontiguousarray(image_bgr[:, ::-1]) if self.mirrored else image_bgr
        found = candidates_within_memory(predictor, pixels, self.sizing)
        found = mirrored_back(found, image_bgr.shape[1]) if self.mirrored else found
        found = self.thinning(found) if self.thinning else found
        return found.take(self.sizes.keeps(found)) if self.sizes else found


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to look at an image.

    Attributes:
        description: one line for a list of choices.
        passes: (width, height) of an image -> its passes, at least one.
        fusion: of what they find; None, for a single pass only, leaves candidates as they are.
        convention: of the code whose way this is: its rules, and the suppression of candidates that are left.
    """

    description: str
    passes: Callable[[int, int], tuple[Pass, ...]]
    fusion: Fusion | None = None
    convention: Convention = RETINAFACE


def detect(predictor: Predictor, image_bgr: NDArray[np.uint8], mode: Mode) -> Candidates:
    """Returns what a mode finds in an image, best first, in its pixels.

    Args:
        predictor: whose ``top`` bounds the candidates of each pass.
        image_bgr: uint8 [H, W, 3], BGR.
        mode: one of `MODES` or your own.

    Raises:
        ValueError: not such an image, damaged weights, or several passes and no rule of fusion.
    """
    height, width = image_bgr.shape[:2]
    passes = mode.passes(width, height)
    if mode.fusion is None and len(passes) != 1:
        raise ValueError(f"{len(passes)} passes need a rule of fusion")
    found = [each(predictor, image_bgr) for each in passes]
    return found[0] if mode.fusion is None else fuse(found, mode.fusion)


def mirrored_back(found: Candidates, width: int) -> Candidates:
    """Returns the detections of a mirrored image, ``width`` pixels wide, in the image as it was.

    A box (x1, y1, x2, y2) becomes (W - x2, y1, W - x1, y2); the left eye and mouth corner become the right ones.
    """
    wide = np.float32(width - found.frame.last)
    boxes = np.stack([wide - found.boxes[:, 2], found.boxes[:, 1], wide - found.boxes[:, 0], found.boxes[:, 3]], 1)
    if found.landmarks is None:
        return replace(found, boxes=boxes)
    marks = found.landmarks[:, _LEFT_RIGHT].copy()
    marks[..., 0] = np.float32(width) - marks[..., 0]
    return replace(found, boxes=boxes, landmarks=marks)


def crface(sizings: Sequence[Sizing], score: float = 0.02) -> Mode:
    """Returns CRFace's multi-scale mode: each size plain and mirrored, fused by box voting at 0.4.

    The paper gives sizes and voting. That all candidates above RetinaFace's score cut vote, unsuppressed, is ours.
    """
    thin = Thinning(score)
    passes = tuple(Pass(sizing, mirrored, thin) for sizing in sizings for mirrored in (False, True))
    return Mode(f"CRFace: {len(passes)} passes, box voting 0.4", lambda width, height: passes, Voting())


def mogface(*, hard: bool = False, window: float | None = None) -> Mode:
    """Returns the multi-scale mode of MogFace's code: up to twelve passes with size filters, voted on.

    The paper only says "multi-scale results ensemble"; scales, filters and thresholds are the code's.

    Args:
        hard: its preset for the hard subset: narrower filters, looser suppression, a further mirrored pass.
        window: W, which scales the area filters; None is 15, or 10 with ``hard``. -1 selects the code's older rule,
            by the sides of the boxes.
    """
    wide = (10.0 if hard else 15.0) if window is None else window
    thin = Thinning(0.01, 0.4 if hard else 0.3, 750)
    voting = Voting(0.5 if hard else 0.6, cap=750, convention=MOGFACE)
    name = "MogFace: multi-scale as in the code" + (", hard preset" if hard else "")

    def passes(width: int, height: int) -> tuple[Pass, ...]:
        largest = mogface_largest(width, height, hard=hard)
        plain = Scale(min(1.0, largest))
        calls = [Pass(plain, False, thin), Pass(plain, True, thin)]
        calls += [Pass(Scale(s), False, thin, sizes) for s, sizes in mogface_filtered(largest, wide)]
        if hard:
            calls.append(Pass(Scale(1.4), True, thin))  # even where the image is too large for it: as in the code
        return tuple(calls)

    return Mode(name, passes, voting, MOGFACE)


def mogface_filtered(largest: float, window: float) -> list[tuple[float, SizeFilter]]:
    """Returns (scale, filter) of MogFace's shrunk, enlarged and pyramid calls, in its order.

    Args:
        largest: scale, see `mogface_largest`.
        window: W, or -1 for the older rule.
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


MODES = Registry(
    "test-time mode",
    {
        "single": _one("one pass at original size", lambda width, height: ORIGINAL),
        "retinaface_1600": _one("one pass, short edge 1600, long one at most 2150", lambda w, h: RetinaFaceSize()),
        "mogface_single": _one(
            "one pass at original size, above 10.7 megapixels reduced to that",
            lambda width, height: Scale(min(1.0, mogface_largest(width, height, capped=False))),
            MOGFACE,
        ),
        "crface_multi": crface([Canvas.short(edge) for edge in (500, 800, 1100, 1400, 1700)]),
        "crface_8k_multi": crface([Canvas(edge) for edge in (7680, 5760, 4096)]),
        "mogface_multi": mogface(),
        "mogface_multi_hard": mogface(hard=True),
        "mogface_multi_sides": mogface(window=-1),
    },
)
