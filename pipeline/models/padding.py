"""Images of several sizes on one padded canvas: each gets the answers that it gets alone, up to rounding.

Alone, a network sees the zeros of its padded convolutions beyond an image's edge. Here every map is set to zero outside
its image before a convolution of more than one cell, and whatever else reads beyond a cell (pooling, enlarging, norms
over whole maps) is kept inside. So a batch may have images of different sizes, and a device for which every new size is
expensive gets few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from pipeline.models.resampling import Average, Enlarge

COARSEST = 128
"""Sides of a padded canvas are multiples of it: no two levels up to stride 128 then have maps of one size."""

_HALVINGS = 7
Pixels = TypeVar("Pixels", int, Tensor)


@dataclass(frozen=True, slots=True)
class Layout:
    """The input of a pass.

    Attributes:
        sizes_B2: int, (height, width) of each image in pixels, on the network's device; None: all fill the canvas.
        height: of the canvas, pixels.
        width: likewise.
        dtype: of the maps.
        alone: size of a single image that the host knows: writing zeros beyond it is cheaper than a product.
    """

    sizes_B2: Tensor | None
    height: int
    width: int
    dtype: torch.dtype = torch.float32
    alone: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where there are sizes, and a side of the canvas is no multiple of `COARSEST`."""
        if self.sizes_B2 is not None and (self.height % COARSEST or self.width % COARSEST):
            found = f"{self.width} x {self.height}"
            raise ValueError(f"a padded canvas has sides in multiples of {COARSEST}, found {found}")


@dataclass(frozen=True, slots=True)
class _Level:
    """One size of maps.

    Attributes:
        rows, columns: how many cells each row [B, 1, H, 1] and column [B, 1, 1, W] is beyond the last of its image.
        inside: 1 or 0 [B, 1, H, W]; None where there is `alone`.
        alone: cells down and across of a single image.
    """

    rows: Tensor
    columns: Tensor
    inside: Tensor | None
    alone: tuple[int, int] | None


class Extent:
    """Which cells of a map belong to an image; a map is known by its size.

    One object is shared by all parts of a network and filled before each pass by `lay`.
    """

    def __init__(self, multiple: int = 1) -> None:
        """Args: images count as padded with zeros up to a multiple of it, for a network part that pads them itself."""
        self._multiple = multiple
        self._levels: dict[tuple[int, int], _Level] = {}
        self._dtype = torch.float32

    def lay(self, layout: Layout) -> None:
        """Takes what the next pass is given."""
        self._levels, self._dtype = {}, layout.dtype
        if layout.sizes_B2 is None:
            return
        for halvings in range(_HALVINGS + 1):
            stride = 2**halvings
            height, width = layout.height // stride, layout.width // stride
            cells = self._cells(layout.sizes_B2, stride)
            row = torch.arange(height, device=cells.device)[None, None, :, None] - cells[:, None, :1, None]
            column = torch.arange(width, device=cells.device)[None, None, None, :] - cells[:, None, 1:, None]
            if layout.alone is None:
                level = _Level(row, column, self._inside(row, column), None)
            else:
                down, across = layout.alone
                level = _Level(row, column, None, (self._cells(down, stride), self._cells(across, stride)))
            self._levels[height, width] = level

    def inside(self, x: Tensor) -> Tensor | None:
        """Returns 1 or 0 [B, 1, H, W] for a map [B, C, H, W], or None where all images fill it."""
        if not self._levels:
            return None
        level = self._levels[x.shape[-2], x.shape[-1]]
        return self._inside(level.rows, level.columns) if level.inside is None else level.inside

    def masked(self, x: Tensor) -> Tensor:
        """Returns x [B, C, H, W], zero outside the images; x itself is changed where no gradient needs it."""
        if not self._levels:
            return x
        alone = self._levels[x.shape[-2], x.shape[-1]].alone
        if alone is not None and not x.requires_grad:
            rows, columns = alone
            x[..., rows:, :] = 0
            x[..., :rows, columns:] = 0
            return x
        inside = self.inside(x)
        assert inside is not None
        # No other reader of x uses what is outside, and a copy would cost as much again.
        return x * inside if x.requires_grad else x.mul_(inside)

    def continued(self, x: Tensor) -> Tensor:
        """Returns x [B, C, H, W] with each image's last row and column once more beyond it."""
        if not self._levels:
            return x
        level = self._levels[x.shape[-2], x.shape[-1]]
        x = torch.where(level.rows == 0, x.roll(1, 2), x)
        return torch.where(level.columns == 0, x.roll(1, 3), x)

    def _inside(self, rows: Tensor, columns: Tensor) -> Tensor:
        # Two small factors first: a whole mask is made by one kernel.
        return (rows < 0).to(self._dtype) * (columns < 0).to(self._dtype)

    def _cells(self, pixels: Pixels, stride: int) -> Pixels:
        """Returns how many cells of a level pixels begin."""
        whole = -(-pixels // self._multiple) * self._multiple
        return -(-whole // stride)


class Padding:
    """All extents of a network; makes a network one that may be given padded canvases."""

    def __init__(self, network: nn.Module) -> None:
        """Replaces parts of a network in place: best a copy. Its parameters stay what and where they are."""
        self._extents: dict[int, Extent] = {1: Extent()}
        self._replace(network, 1)

    @property
    def image(self) -> Extent:
        """The extent of the images themselves."""
        return self._extents[1]

    def lay(self, layout: Layout) -> None:
        """Takes what the next pass is given."""
        for extent in self._extents.values():
            extent.lay(layout)

    def _replace(self, module: nn.Module, multiple: int) -> None:
        multiple = int(getattr(module, "pads_to", multiple))
        extent = self._extents.setdefault(multiple, Extent(multiple))
        if getattr(module, "blockwise", False):
            module.blockwise = False  # type: ignore[assignment]  # a block has the size of none of the canvas's maps
        for name, child in list(module.named_children()):
            careful = _careful(child, extent)
            if careful is None:
                self._replace(child, multiple)
            else:
                setattr(module, name, careful)


def _careful(module: nn.Module, extent: Extent) -> nn.Module | None:
    """Returns what a part becomes, or None where it needs no care by itself."""
    # What is pooled is nowhere negative: zeros beyond an image change no maximum.
    if isinstance(module, nn.MaxPool2d) or (isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1):
        return _Masked(module, extent)
    if isinstance(module, Enlarge):
        return _Continued(module, extent)
    if isinstance(module, Average):
        return _AverageInside(module, extent)
    if isinstance(module, nn.GroupNorm):
        return _NormInside(module, extent)
    return None


class _Careful(nn.Module):
    """A part of a network, and which cells of its maps belong to an image."""

    def __init__(self, part: nn.Module, extent: Extent) -> None:
        super().__init__()
        self.part, self._extent = part, extent


class _Masked(_Careful):
    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.part(self._extent.masked(x)))


class _Continued(_Careful):
    def forward(self, x: Tensor, rows: int, columns: int) -> Tensor:
        return cast(Tensor, self.part(self._extent.continued(x), rows, columns))


class _AverageInside(_Careful):
    """The sum of the cells inside over how many these are."""

    def forward(self, x: Tensor) -> Tensor:
        inside = self._extent.inside(x)
        if inside is None:
            return cast(Tensor, self.part(x))
        share = self.part(inside.float())
        return cast(Tensor, self.part(x * inside) / share.clamp(min=1e-6).to(x.dtype))


class _NormInside(_Careful):
    """A group norm whose mean and variance are those of the cells inside."""

    part: nn.GroupNorm

    def forward(self, x: Tensor) -> Tensor:
        inside = self._extent.inside(x)
        if inside is None:
            return cast(Tensor, self.part(x))
        batch, channels, height, width = x.shape
        groups = self.part.num_groups
        wide = x.float().reshape(batch, groups, channels // groups, height, width)
        within = inside[:, None].float()
        count = within.sum(dim=(2, 3, 4), keepdim=True) * (channels // groups)
        mean = (wide * within).sum(dim=(2, 3, 4), keepdim=True) / count
        centred = (wide - mean) * within
        variance = centred.square().sum(dim=(2, 3, 4), keepdim=True) / count
        normed = (centred * torch.rsqrt(variance + self.part.eps)).reshape(x.shape)
        scale, shift = self.part.weight.float()[:, None, None], self.part.bias.float()[:, None, None]
        return (normed * scale + shift).to(x.dtype)
