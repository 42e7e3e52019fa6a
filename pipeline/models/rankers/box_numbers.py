"""What a table says of a box by itself, as a network likes to read it."""

from __future__ import annotations

import torch
from torch import Tensor

OWN = 8  # numbers per box


def own_numbers(rows: Tensor, place: Tensor, size: Tensor, count: int) -> Tensor:
    """Returns what a table says of each box alone, float32 [M, 8], each number of about unit size.

    Score, its logit, log of the rank, log of the mean side in pixels, log of the sides' ratio, the centre in -1..1, and
    whether the box reaches out of the image.

    Args:
        rows: float32 [M, 5] of a table.
        place: int64 [M], which row of its table each is.
        size: float32 [2], width and height of the image in pixels.
        count: N.
    """
    score = rows[:, 4]
    sides = (rows[:, 2:4] * size).clamp(min=1e-3)
    centre = (rows[:, :2] + rows[:, 2:4] / 2) * 2 - 1
    outside = ((rows[:, :2] < 0) | (rows[:, :2] + rows[:, 2:4] > 1)).any(dim=1)
    return torch.stack(
        [
            score,
            torch.logit(score.clamp(0, 1), eps=1e-5) / 5,
            torch.log(place.float() + 1) / torch.log(torch.tensor(float(max(count, 2)), device=rows.device)),
            sides.prod(dim=1).log2() / 4 - 2.5,
            (sides[:, 0] / sides[:, 1]).log2(),
            centre[:, 0].clamp(-1.5, 1.5),
            centre[:, 1].clamp(-1.5, 1.5),
            outside.float(),
        ],
        dim=1,
    )
