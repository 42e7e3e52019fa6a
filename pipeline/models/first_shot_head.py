"""The auxiliary first-shot head ("pyramid anchor"): only training uses it, and only training computes it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pipeline.models.heads import DenseHeads


class FirstShot(nn.Module):
    """Boxes and classes from features before the top-down fusion, for anchors of half the size (DSFD; MogFace's code).

    The maps are 3x3 convolutions of C2..C5 and of the finished P6 and P7; the head's weights serve all levels.
    """

    def __init__(self, channels: Sequence[int], width: int = 256, *, levels: int = 6) -> None:
        """Args: channels of C2..C5; channels of pyramid and maps; number of levels."""
        super().__init__()
        inputs = [*channels, *[width] * (levels - len(channels))]
        self.maps = nn.ModuleList(nn.Conv2d(count, width, 3, padding=1) for count in inputs)
        self.heads: nn.Module = DenseHeads(width, [1] * levels, (4, 1), kernel=3, shared=True)

    def forward(self, features: Sequence[Tensor], pyramid: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns boxes [B, A, 4] and logits [B, A, 1] of backbone levels C2..C5 and pyramid maps P2..P7."""
        boxes, logits = self.heads(self.features(features, pyramid))
        return boxes, logits

    def features(self, features: Sequence[Tensor], pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Returns the maps [B, width, H_i, W_i] that the head is given."""
        sources = [*features, *pyramid[len(features) :]]
        return [conv(source) for conv, source in zip(self.maps, sources, strict=True)]
