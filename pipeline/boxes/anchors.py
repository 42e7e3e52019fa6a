"""The anchors of a dense detector: squares of given sides on the grid of each feature level.

Order everywhere: level, row, column, size. This is also the order in which a detector's heads answer, so index ``i``
of a score vector and row ``i`` of the anchors belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

# An 8K grid of RetinaFace is 26 MB. Images of one size come in runs, so a few entries are enough.
_CACHED_GRIDS = 4

Sizes = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class AnchorGrid:
    """A detector's anchors on an image of any size.

    Attributes:
        strides: pixels per cell of each level, finest first, e.g. (8, 16, 32).
        sizes: per level the sides in pixels of the square anchors of one cell, e.g. ((16, 32), (64, 128), (256, 512)).
    """

    strides: tuple[int, ...]
    sizes: Sizes

    def __post_init__(self) -> None:
        """Raises ValueError where levels disagree in number or a side is not positive."""
        if len(self.strides) != len(self.sizes) or not self.strides:
            raise ValueError(f"{len(self.strides)} strides for {len(self.sizes)} levels of sizes")
        if min(self.strides) < 1 or any(not level or min(level) <= 0 for level in self.sizes):
            raise ValueError(f"strides and sizes must be positive: {self.strides}, {self.sizes}")

    def shapes(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        """Returns (rows, columns) of each level: the sides divided by the stride, rounded up."""
        if height < 1 or width < 1:
            raise ValueError(f"an image of {width} x {height} pixels has no anchors")
        return tuple((-(-height // stride), -(-width // stride)) for stride in self.strides)

    def count(self, height: int, width: int) -> int:
        """Returns the number of anchors of an image of that many pixels."""
        shapes = self.shapes(height, width)
        return sum(rows * columns * len(sizes) for (rows, columns), sizes in zip(shapes, self.sizes, strict=True))

    def centres(self, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
        """Returns all anchors of an image, float32 [A, 4] ``cx, cy, w, h`` in pixels, not clipped.

        The centre of cell (row, column) is ``((column + 0.5) * stride, (row + 0.5) * stride)``. Computed in float64 and
        kept for the last few shapes: the tensor is shared, do not write into it.
        """
        self.shapes(height, width)
        return _centres(self.strides, self.sizes, height, width, str(device))

    def centres_of(self, index: Tensor, height: int, width: int) -> Tensor:
        """Returns ``centres(height, width)[index]`` without making the others: of an 8K image 5,000 of 2.5 million.

        Args:
            index: int64 [...], of anchors of the image, on any device, which is not waited for.
            height: of the image, pixels.
            width: likewise.
        """
        first, columns, stride, count, first_side, sides = _tables(
            self.strides, self.sizes, self.shapes(height, width), str(index.device)
        )
        level = torch.bucketize(index, first[1:], right=True)
        within, per_cell = index - first[level], count[level]
        cell = torch.div(within, per_cell, rounding_mode="floor")
        row = torch.div(cell, columns[level], rounding_mode="floor")
        column = cell - row * columns[level]
        cells = torch.stack([column, row], dim=-1)
        side = sides[first_side[level] + within - cell * per_cell]
        centre = (cells + 0.5) * stride[level][..., None]
        return torch.cat([centre, side[..., None], side[..., None]], dim=-1)

    def corners(self, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
        """Returns all anchors as float32 [A, 4] ``x1, y1, x2, y2`` in pixels, a new tensor."""
        centres = self.centres(height, width, device)
        half = centres[:, 2:] / 2
        return torch.cat([centres[:, :2] - half, centres[:, :2] + half], dim=1)

    def inside(self, height: int, width: int, sizes_B2: Tensor) -> Tensor:
        """Returns which anchors of a padded canvas are those of each image at its top left, bool [B, A].

        The order is the canvas's, which is that of the image's own anchors.

        Args:
            height: of the canvas, pixels.
            width: likewise.
            sizes_B2: int, (height, width) of each image in pixels; the device is not waited for.
        """
        parts = []
        for (rows, columns), stride, sides in zip(self.shapes(height, width), self.strides, self.sizes, strict=True):
            cells = (sizes_B2 + (stride - 1)) // stride
            row, column = (torch.arange(n, device=sizes_B2.device) for n in (rows, columns))
            both = (row < cells[:, :1])[:, :, None] & (column < cells[:, 1:])[:, None, :]
            parts.append(both[..., None].expand(-1, -1, -1, len(sides)).flatten(1))
        return torch.cat(parts, dim=1)

    def window_indices(
        self, height: int, width: int, window: tuple[int, int, int, int], device: torch.device | str = "cpu"
    ) -> Tensor:
        """Returns the index of each anchor of a window among the whole image's anchors, int64, rising.

        Args:
            height: of the whole image, pixels.
            width: likewise.
            window: x0, y0, x1, y1 in pixels; x0 and y0 are multiples of the largest stride.
            device: of the tensor.

        Raises:
            ValueError: where the window's cells are not those of the image.
        """
        x0, y0, x1, y1 = window
        coarse = max(self.strides)
        inside = 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        if not inside or x0 % coarse or y0 % coarse:
            raise ValueError(f"window {window} is not on the {coarse}-pixel cells of {width} x {height}")
        parts, first = [], 0
        of_image, of_window = self.shapes(height, width), self.shapes(y1 - y0, x1 - x0)
        for (rows, columns), (r, c), stride, sizes in zip(of_image, of_window, self.strides, self.sizes, strict=True):
            row = torch.arange(r, device=device) + y0 // stride
            column = torch.arange(c, device=device) + x0 // stride
            cell = (row[:, None] * columns + column[None, :]).reshape(-1, 1) * len(sizes)
            parts.append((first + cell + torch.arange(len(sizes), device=device)).reshape(-1))
            first += rows * columns * len(sizes)
        return torch.cat(parts)


@lru_cache(maxsize=256)
def _tables(
    strides: tuple[int, ...], sizes: Sizes, shapes: tuple[tuple[int, int], ...], device: str
) -> tuple[Tensor, ...]:
    """Returns of each level its first anchor, columns, stride, anchors per cell and first side; and all sides."""
    per_cell = [len(sides) for sides in sizes]
    anchors = [rows * columns * count for (rows, columns), count in zip(shapes, per_cell, strict=True)]
    with torch.inference_mode(False):
        integers = [
            [sum(anchors[:level]) for level in range(len(strides))],
            [columns for _, columns in shapes],
            list(strides),
            per_cell,
            [sum(per_cell[:level]) for level in range(len(strides))],
        ]
        every = torch.tensor([side for sides in sizes for side in sides], dtype=torch.float32)
        held = [*(torch.tensor(numbers) for numbers in integers), every]
        if device.startswith("cuda"):  # from pinned memory, so that the host does not wait
            held = [each.pin_memory().to(device, non_blocking=True) for each in held]
        return tuple(held)


@lru_cache(maxsize=_CACHED_GRIDS)
def _centres(strides: tuple[int, ...], sizes: Sizes, height: int, width: int, device: str) -> Tensor:
    # A tensor born in inference mode could not be used in training later, and this one outlives its caller.
    with torch.inference_mode(False), torch.no_grad():
        levels = []
        for stride, sides in zip(strides, sizes, strict=True):
            rows, columns = -(-height // stride), -(-width // stride)
            level = torch.empty((rows, columns, len(sides), 4), dtype=torch.float64, device=device)
            level[..., 0] = ((torch.arange(columns, dtype=torch.float64, device=device) + 0.5) * stride)[None, :, None]
            level[..., 1] = ((torch.arange(rows, dtype=torch.float64, device=device) + 0.5) * stride)[:, None, None]
            for size, side in enumerate(sides):  # one by one: a tensor made on the host would be waited for
                level[:, :, size, 2:] = side
            levels.append(level.reshape(-1, 4).float())
        return torch.cat(levels)
