"""HCAM, the hierarchical context-aware module: a second classification, with context, of what the first calls a face.

MogFace section 3.3. Where the main classifier is confident, and in an N x N neighbourhood of it, the pyramid map gets
context from the backbone added; a second, progressive classifier is given the sum and learns to reject false alarms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.models.heads import DenseHead

Sizes = list[tuple[int, int]]


class HierarchicalContext(nn.Module):
    """Backbone levels, pyramid maps and the main logits to the progressive logits.

    Attributes:
        neighbourhoods: the N of every mask, each with a convolution of its own per level.
        threshold: main probability above which a cell is confident. 0.1 in the released training, 0.12 in its
            single-scale test; the paper gives none.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int = 256,
        *,
        neighbourhoods: Sequence[int] = (3, 5),
        levels: int = 6,
        threshold: float = 0.1,
    ) -> None:
        """Args: channels of C2..C5 and of the pyramid; odd sides in cells; levels; see the class.

        Levels above C5 get no context. Raises ValueError where a neighbourhood is even or missing.
        """
        super().__init__()
        if not neighbourhoods or any(side < 1 or side % 2 == 0 for side in neighbourhoods):
            raise ValueError(f"neighbourhoods must be odd numbers of cells, got {list(neighbourhoods)}")
        self.neighbourhoods = tuple(neighbourhoods)
        self.threshold = threshold
        self.narrow = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        # An ordinary 3x3 whatever N: N shapes the mask only.
        self.contexts = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self.neighbourhoods) for _ in channels
        )
        self.widened = nn.ModuleList(nn.MaxPool2d(n, stride=1, padding=n // 2) for n in self.neighbourhoods)
        self.classifier = DenseHead(width, [1] * levels, 1, kernel=3)

    def forward(self, features: Sequence[Tensor], pyramid: Sequence[Tensor], logits: Tensor) -> Tensor:
        """Returns progressive logits [B, A, 1] of C2..C5, P2..P7 [B, width, H_i, W_i] and the main logits [B, A, 1].

        No gradient flows through the main logits.
        """
        answer: Tensor = self.classifier(self.enhanced(features, pyramid, logits))
        return answer

    def enhanced(self, features: Sequence[Tensor], pyramid: Sequence[Tensor], logits: Tensor) -> list[Tensor]:
        """Returns the maps that the progressive classifier is given; P6 and P7 are passed as they are."""
        masks = self.masks(logits, [(level.shape[-2], level.shape[-1]) for level in pyramid])
        maps = list(pyramid)
        for number, (feature, narrow) in enumerate(zip(features, self.narrow, strict=True)):
            common = narrow(feature)
            for mask, conv in zip(masks[number], self.contexts[number], strict=True):  # type: ignore[call-overload]
                maps[number] = maps[number] + mask * conv(common)
        return maps

    def confident(self, logits: Tensor) -> Tensor:
        """Returns bool [B, A, 1]: the main probability is above the threshold."""
        return torch.sigmoid(logits.detach().float()) > self.threshold

    def masks(self, logits: Tensor, shapes: Sizes) -> list[list[Tensor]]:
        """Returns per level and neighbourhood a mask [B, 1, H_i, W_i] of 0 and 1 in the logits' type.

        Logits are [B, A, 1] of the main classifier, one anchor per cell; shapes are rows and columns of each level.
        """
        flat = self.confident(logits)[..., 0].to(logits.dtype)
        parts = torch.split(flat, [rows * columns for rows, columns in shapes], dim=1)
        maps = [part.reshape(-1, 1, rows, columns) for part, (rows, columns) in zip(parts, shapes, strict=True)]
        # The square around every confident cell, cut off at the border.
        return [[widen(one) for widen in self.widened] for one in maps]
