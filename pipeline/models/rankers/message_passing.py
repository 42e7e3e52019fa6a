"""Messages between boxes that overlap."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.rankers.neighbours import GEOMETRY, Neighbours


class MessagePassing(nn.Module):
    """One message per overlapping box from its features and relative geometry, pooled by max and mean."""

    def __init__(self, inputs: int, width: int) -> None:
        """Args: length of a box's vector and of a message."""
        super().__init__()
        self.sender = nn.Linear(inputs, width)
        self.receiver = nn.Linear(inputs, width, bias=False)
        self.geometry = nn.Linear(GEOMETRY, width, bias=False)

    def forward(self, boxes: Tensor, near: Neighbours) -> Tensor:
        """Returns [M, 2 * width] of the vectors of boxes [M, inputs]; zeros for a box without neighbours."""
        sent = self.sender(boxes).index_select(0, near.index.flatten()).unflatten(0, near.index.shape)
        messages = functional.relu(sent + self.receiver(boxes)[:, None] + self.geometry(near.geometry.to(boxes.dtype)))
        messages = messages * near.there[..., None]
        # Never negative, so that a missing neighbour changes no maximum.
        mean = messages.sum(dim=1) / near.there.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.cat([messages.amax(dim=1), mean], dim=1)
