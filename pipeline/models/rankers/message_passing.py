"""What boxes that overlap tell each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.rankers.neighbours import GEOMETRY, Neighbours


class Exchange(nn.Module):
    """Each neighbour says something, by what it is and how it lies; a box hears the maximum and the mean."""

    def __init__(self, inputs: int, width: int) -> None:
        """Args: length of a box's vector and of a message."""
        super().__init__()
        self.said = nn.Linear(inputs, width)
        self.num_neighbours = nn.Linear(inputs, width, bias=False)
        self.lies = nn.Linear(GEOMETRY, width, bias=False)

    def forward(self, boxes: Tensor, near: Neighbours) -> Tensor:
        """Returns [M, 2 * width] of the vectors of boxes [M, inputs]; zeros for a box without neighbours."""
        said = self.said(boxes).index_select(0, near.index.flatten()).unflatten(0, near.index.shape)
        messages = functional.relu(
            said + self.num_neighbours(boxes)[:, None] + self.lies(near.geometry.to(boxes.dtype))
        )
        messages = messages * near.there[..., None]
        # Never negative, so that what is not there changes no maximum.
        mean = messages.sum(dim=1) / near.there.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.cat([messages.amax(dim=1), mean], dim=1)
