"""The candidates of the released Ali-AMS code, mistakes included."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.candidate_pairs import CHUNK
from pipeline.training.assigners.grouped_sort import sortable_bits


def official_pool(anchors: Anchors, boxes_G4: Tensor, ordinal_G: Tensor, k: int) -> Tensor:
    """Returns int64 [G, k], the k nearest anchors within the index range that the code uses, nearest first.

    For the n-th level of an image that has faces (counted from 0, whatever level it is) the range ends where level n
    ends, and is as long as the finest level. At 640 x 640 these are 0-25600, 6400-32000, 8000-33600, 8400-34000,
    8500-34100: from the second on the nearest anchors are mostly of the finest level. Such a range is no lattice, so
    every anchor of it is compared, in blocks of at most `CHUNK` distances.

    Args:
        anchors: of the image.
        boxes_G4: float32 [G, 4] xyxy in pixels.
        ordinal_G: int64 [G], n.
        k: how many, at most the number of anchors of the finest level.
    """
    ends = anchors.level_ends
    middle = (boxes_G4[:, :2] + boxes_G4[:, 2:]) / 2
    centres = (anchors.corners[:, :2] + anchors.corners[:, 2:]) / 2
    k = min(k, ends[0])
    out = torch.zeros(len(boxes_G4), k, dtype=torch.int64, device=boxes_G4.device)
    step, offsets = max(1, CHUNK // ends[0]), torch.arange(ends[0], device=boxes_G4.device)
    for ordinal in torch.unique(ordinal_G).tolist():
        start = ends[ordinal] - ends[0]
        pool, rows = centres[start : ends[ordinal]], torch.nonzero(ordinal_G == ordinal).flatten()
        for part in torch.split(rows, step):
            gap = pool[None, :, :] - middle[part, None, :]
            # Distance and index in one integer: equal distances go to the lower index.
            key = (sortable_bits((gap * gap).sum(dim=2)) << 32) | offsets
            out[part] = start + (key.topk(k, dim=1, largest=False, sorted=True).values & 0xFFFFFFFF)
    return out
