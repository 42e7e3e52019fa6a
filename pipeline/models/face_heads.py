"""The prediction part of the six-level detectors: context block, deep towers, boxes and classes; and the first shot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.heads import DenseHead, DenseHeads, for_each

_VALUES = (4, 1)  # numbers per anchor: box, class


class DeepTower(nn.Module):
    """Four times convolution, GroupNorm and ReLU at one width ("deep head", HAMBox).

    With `repeat` the first convolution is applied all four times, as in MogFace's released code, whose checkpoints have
    the others all the same.
    """

    reach = 4  # cells that a cell sees on each side, statistics apart

    def __init__(self, channels: int, *, repeat: bool = False, groups: int = 16, depth: int = 4) -> None:
        """Args: channels in and out; the first convolution every time; groups of the norm; number of steps."""
        super().__init__()
        self.repeat = repeat
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth))
        self.norms = nn.ModuleList(nn.GroupNorm(groups, channels) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, channels, H, W] of the same."""
        for number, norm in enumerate(self.norms):
            x = functional.relu(norm(self.convs[0 if self.repeat else number](x)), inplace=True)
        return x


class TowerHeads(nn.Module):
    """Box and class head over maps of their own; cannot be joined into one convolution as `DenseHeads` can."""

    def __init__(self, inputs: int, anchors: Sequence[int], *, shared: bool) -> None:
        """Args: channels of every level; anchors per cell of each level; one convolution for all levels."""
        super().__init__()
        self.kinds = nn.ModuleList(DenseHead(inputs, anchors, count, kernel=3, shared=shared) for count in _VALUES)

    def forward(self, box_levels: Sequence[Tensor], class_levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns boxes [B, A, 4] and logits [B, A, 1]."""
        return self.kinds[0](box_levels), self.kinds[1](class_levels)


class FaceHeads(nn.Module):
    """Pyramid maps to box deltas and class logits.

    Attributes:
        reach: cells that a cell sees on each side.
    """

    def __init__(
        self,
        anchors: Sequence[int],
        width: int = 256,
        *,
        context: Callable[[int], nn.Module] | None = None,
        deep: bool = False,
        repeat: bool = False,
        shared: bool = False,
    ) -> None:
        """Assembles the parts.

        Args:
            anchors: per cell of each level.
            width: channels of every map in.
            context: makes the block in front, of the channels in; has ``outputs`` and ``reach``. None for no block.
            deep: a `DeepTower` each for box and class.
            repeat: see `DeepTower`.
            shared: one set of weights for all levels instead of one per level.
        """
        super().__init__()
        count = 1 if shared else len(anchors)
        blocks = [context(width) for _ in range(count)] if context is not None else []
        channels = int(blocks[0].outputs) if blocks else width  # type: ignore[arg-type]
        self.contexts = nn.ModuleList(blocks)
        self.box_towers = nn.ModuleList(DeepTower(channels, repeat=repeat) for _ in range(count if deep else 0))
        self.class_towers = nn.ModuleList(DeepTower(channels, repeat=repeat) for _ in range(count if deep else 0))
        self.predict: nn.Module = (
            TowerHeads(channels, anchors, shared=shared)
            if deep
            else DenseHeads(channels, anchors, _VALUES, kernel=3, shared=shared)
        )
        self.reach = 1 + (int(blocks[0].reach) if blocks else 0) + (DeepTower.reach if deep else 0)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns boxes [B, A, 4] and logits [B, A, 1] of maps [B, width, H_i, W_i]."""
        seen = _apply(self.contexts, levels)
        if len(self.box_towers) == 0:
            boxes, logits = self.predict(seen)
        else:
            boxes, logits = self.predict(_apply(self.box_towers, seen), _apply(self.class_towers, seen))
        return boxes, logits


class FirstShot(nn.Module):
    """The first shot of DSFD: boxes and classes from features before the top-down fusion, for anchors of half the size.

    Only training uses it, and only training computes it. MogFace's and HAMBox's papers call it "pyramid anchor", hence
    the switch `pyramid_anchor`; PyramidBox's own pyramid anchors, boxes around head and body, are something else. The
    maps are 3x3 convolutions of C2..C5 and of the finished P6 and P7; the head's weights serve all levels.
    """

    def __init__(self, channels: Sequence[int], width: int = 256, *, levels: int = 6) -> None:
        """Args: channels of C2..C5; channels of pyramid and maps; number of levels."""
        super().__init__()
        inputs = [*channels, *[width] * (levels - len(channels))]
        self.maps = nn.ModuleList(nn.Conv2d(count, width, 3, padding=1) for count in inputs)
        self.heads: nn.Module = DenseHeads(width, [1] * levels, _VALUES, kernel=3, shared=True)

    def forward(self, features: Sequence[Tensor], pyramid: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns boxes [B, A, 4] and logits [B, A, 1] of backbone levels C2..C5 and pyramid maps P2..P7."""
        boxes, logits = self.heads(self.features(features, pyramid))
        return boxes, logits

    def features(self, features: Sequence[Tensor], pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Returns the maps [B, width, H_i, W_i] that the head is given."""
        sources = [*features, *pyramid[len(features) :]]
        return [conv(source) for conv, source in zip(self.maps, sources, strict=True)]


def _apply(modules: nn.ModuleList, levels: Sequence[Tensor]) -> list[Tensor]:
    if len(modules) == 0:
        return list(levels)
    return [module(level) for module, level in zip(for_each(modules, levels), levels, strict=True)]
