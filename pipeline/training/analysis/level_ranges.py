"""Scales of faces that each level of the pyramid matches: MogFace's Table 2, computed from anchors and assigner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.assignment import FACE, candidate_indices
from pipeline.training.assigners.candidate_pairs import overlapping
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.assigners.grouped_sort import best_of_group
from pipeline.training.augment.sse import CONFIG_EDGES, PAPER_EDGES
from pipeline.training.losses.targets import matching_frame

Criterion = Literal["best", "most", "any"]
Range = tuple[float, float]

CRITERIA: Final[tuple[Criterion, ...]] = ("best", "most", "any")
PUBLISHED: Final[Mapping[str, tuple[float, ...]]] = {"paper": PAPER_EDGES, "released": CONFIG_EDGES}
"""Borders of p2..p7: Table 2, and the released configurations."""

_STEP: Final = 1.02  # from one size of the sweep to the next: borders are found to one percent
_AT_ONCE: Final = 32  # faces, each in an image of its own so that none takes another's anchors
# The two irrational steps that spread points most evenly over a square (the plastic number's powers).
_SPREAD: Final = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, slots=True)
class LevelSweep:
    """Anchors that square faces of rising size match on each of L levels, summed over several positions.

    Attributes:
        levels: log2 of each level's stride, 2 for p2.
        sizes: float64 [S], sides of the faces in pixels, rising by one ratio.
        positions: number of positions that each size was tried at.
        anchors: int64 [S, L], FACE anchors of all positions together.
        best: int64 [S, L], positions at which the level holds the anchor of highest IoU.
    """

    levels: tuple[int, ...]
    sizes: NDArray[np.float64]
    positions: int
    anchors: NDArray[np.int64]
    best: NDArray[np.int64]

    def ranges(self, criterion: Criterion) -> tuple[Range | None, ...]:
        """Returns per level the smallest and largest scale in pixels of its faces; None where it has none.

        The paper does not say how Table 2 was made. Three criteria of "matches":

        * "best": the level holds the anchor of highest IoU at most positions;
        * "most": the level gives more FACE anchors than any other, the finer one on a tie;
        * "any": the level gives a FACE anchor at any position; these ranges overlap.

        The first range starts and the last one ends with the sweep. A level that wins twice has everything between as
        its range.
        """
        if criterion == "any":
            wins = self.anchors > 0
        else:
            score = self.best if criterion == "best" else self.anchors
            wins = np.arange(score.shape[1]) == score.argmax(axis=1)[:, None]
        between = np.sqrt(self.sizes[:-1] * self.sizes[1:])
        borders = np.concatenate([self.sizes[:1], between, self.sizes[-1:]])
        found = [np.flatnonzero(column) for column in wins.T]
        return tuple((float(borders[at[0]]), float(borders[at[-1] + 1])) if len(at) else None for at in found)

    def given(self, within: Range) -> NDArray[np.int64]:
        """Returns int64 [L]: FACE anchors of each level for faces whose size is within a range."""
        inside = (self.sizes >= within[0]) & (self.sizes < within[1])
        total: NDArray[np.int64] = self.anchors[inside].sum(axis=0)
        return total


@torch.no_grad()
def sweep_levels(
    grid: AnchorGrid, coder: BoxCoder, assigner: Assigner, side: int = 640, smallest: float = 8.0, positions: int = 16
) -> LevelSweep:
    """Returns which levels square faces of all sizes match, one face per image, near its middle.

    With MogFace's baseline (sides 16..512 on strides 4..128) and its standard matching (IoU 0.35) at 640 pixels the
    borders between two levels are, beside the published ones:

        best          22.5    45.0    89.8   182.7   364.6      about 1.4 times the finer level's anchor
        most          26.4    53.7   107.2   214.0   427.0      about 1.67 times
        Table 2       20.7    48.2   106.2   212.4   420.8
        released      26.7    54.0   106.2   212.4   420.8

    "most" ends where the finer level gives no anchor any more (a face s around an anchor a: IoU (a / s)^2 = 0.35), as
    its cells are twice as dense. The released configurations agree with it to 1.5 %, so that is likely what Table 2
    counts. Its two lowest borders, 22 % and 10 % further down, none explains: the paper does not say which faces
    it was measured on. 8.4 and 640, where Table 2 begins and ends, are here the ends of the sweep: training drops faces
    below 8 pixels, and its images are 640.

    Args:
        grid: the detector's anchors.
        coder: the detector's, for the corner convention (`matching_frame`).
        assigner: one that needs boxes alone.
        side: of the training image and the largest face, pixels.
        smallest: face, pixels; the published training drops smaller ones.
        positions: of a face's centre relative to the cells, spread evenly over a cell of the coarsest level.
    """
    number = math.ceil(math.log(side / smallest) / math.log(_STEP)) + 1
    sizes = np.geomspace(smallest, side, number)
    anchors = Anchors.of(grid, side, side, pixel_inclusive=coder.pixel_inclusive)
    spread = (0.5 + np.arange(positions)[:, None] * np.array(_SPREAD)) % 1 - 0.5
    centres = side / 2 + spread * max(grid.strides)
    low_SP2 = centres[None] - sizes[:, None, None] / 2
    boxes_SP4 = np.concatenate([low_SP2, low_SP2 + sizes[:, None, None]], axis=2)
    boxes_N4 = matching_frame(torch.from_numpy(boxes_SP4.reshape(-1, 4)).float(), coder)
    parts = [
        _matched_levels(anchors, assigner, boxes_N4[first : first + _AT_ONCE])
        for first in range(0, len(boxes_N4), _AT_ONCE)
    ]
    given, best = (
        torch.cat(each).reshape(number, positions, -1).sum(dim=1).numpy() for each in zip(*parts, strict=True)
    )
    levels = tuple(round(math.log2(stride)) for stride in grid.strides)
    return LevelSweep(levels, sizes, positions, given, best)


def _matched_levels(anchors: Anchors, assigner: Assigner, boxes_N4: Tensor) -> tuple[Tensor, Tensor]:
    """Returns int64 [N, L] twice: FACE anchors per level, and 1 where the level holds the best overlap."""
    ends = torch.tensor(anchors.level_ends)
    faces = FaceBatch(boxes_N4[:, None], torch.ones(len(boxes_N4), 1, dtype=torch.bool))
    assigned = assigner(anchors, faces)
    index = torch.unique(candidate_indices(assigned))
    index = index[assigned.label.view(-1)[index] == FACE]
    face, anchor = index // len(anchors), index % len(anchors)
    given = torch.zeros(len(boxes_N4), len(ends), dtype=torch.int64)
    given.index_put_((face, torch.bucketize(anchor, ends, right=True)), torch.ones_like(face), accumulate=True)
    pairs = overlapping(anchors, faces.rows(), 1.0, best_too=True)
    best = best_of_group(pairs.row, pairs.iou, pairs.anchor, len(boxes_N4))
    (met,) = torch.nonzero(best >= 0, as_tuple=True)
    wins = torch.zeros_like(given)
    wins[met, torch.bucketize(best[met], ends, right=True)] = 1
    return given, wins
