"""Maps enlarged and reduced by whole factors, so that a cell is where it is whatever the size of the image."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Enlarge(nn.Module):
    """Bilinear enlarging by a whole factor, the top left part kept."""

    def __init__(self, factor: int) -> None:
        """Args: a power of two."""
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """Returns [B, C, rows, columns] of x [B, C, H, W], where ``rows <= factor * H`` and likewise columns."""
        raised = functional.interpolate(x, scale_factor=float(self.factor), mode="bilinear", align_corners=False)
        return raised[..., :rows, :columns]


class Average(nn.Module):
    """The mean of squares of cells; those at the right and bottom edge are means of the cells that there are."""

    def __init__(self, factor: int) -> None:
        """Args: side of a square in cells."""
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, C, ceil(H / factor), ceil(W / factor)] of x [B, C, H, W]."""
        return functional.avg_pool2d(x, self.factor, ceil_mode=True)
