"""What a table says of a box by itself, as a network likes to read it."""

from __future__ import annotations

import torch
from torch import Tensor

OWN = 7  # numbers per box


def own_numbers(rows: Tensor, place: Tensor, size: Tensor, count: int) -> Tensor:
    """Returns what a table says of each box alone, float32 [M, 7], each number of about unit size.

    Score, its logit, log of the rank, log of the mean side in pixels, log of the sides' ratio, and the centre, -1..1
    along the image's long edge: the same numbers whether or not the image has been padded to a square.

    Args:
        rows: float32 [M, 5] of a table.
        place: int64 [M], which row of its table each is.
        size: float32 [2], width and height of the image in pixels.
        count: N.
    """
    score = rows[:, 4]
    sides = (rows[:, 2:4] * size).clamp(min=1)
    centre = (rows[:, :2] + rows[:, 2:4] / 2) * (size / size.max()) * 2 - 1
    return torch.stack(
        [
            score,
            torch.logit(score.clamp(0, 1), eps=1e-5) / 5,
            torch.log(place.float() + 1) / torch.log(torch.tensor(float(max(count, 2)), device=rows.device)),
            sides.prod(dim=1).log2() / 4 - 2.5,
            (sides[:, 0] / sides[:, 1]).log2(),
            centre[:, 0],
            centre[:, 1],
        ],
        dim=1,
    )
