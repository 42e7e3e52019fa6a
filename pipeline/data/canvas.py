"""The canvas an image is enlarged to before detection, and the tiles it may be cut into: geometry only, no pixels.

The "8K" of the paper is a long edge of 7680 pixels. A canvas keeps the aspect ratio up to rounding to whole pixels, so
that the two sides have slightly different factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Box = tuple[int, int, int, int]

LONG_EDGE_8K: Final = 7680
_SHORT: Final = "short-"


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size at which a detector sees an image; without an edge, the original one."""

    long_edge: int | None = None  # pixels of the longer side, or None
    short_edge: int | None = None  # pixels of the shorter side instead, or None

    def __post_init__(self) -> None:
        """Raises ValueError unless there is at most one edge, of at least one pixel."""
        for name, edge in (("long", self.long_edge), ("short", self.short_edge)):
            if edge is not None and edge < 1:
                raise ValueError(f"canvas {name} edge must be at least 1 pixel, got {edge}")
        if self.long_edge is not None and self.short_edge is not None:
            raise ValueError(f"a canvas has one edge, got a long one of {self.long_edge} and {self.short_edge}")

    def __str__(self) -> str:
        """Returns the form that `parse_canvas` reads: ``original``, the long edge, or ``short-`` and the short one."""
        if self.short_edge is not None:
            return f"{_SHORT}{self.short_edge}"
        return "original" if self.long_edge is None else str(self.long_edge)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) of the canvas in whole pixels for an original of that size.

        The given side is exact; the other is rounded half up, at least one pixel. An original without pixels is a
        ValueError.
        """
        if width < 1 or height < 1:
            raise ValueError(f"an image of {width} x {height} pixels has no canvas")
        if self.short_edge is not None:
            edge, side = self.short_edge, min(width, height)
        elif self.long_edge is not None:
            edge, side = self.long_edge, max(width, height)
        else:
            return width, height
        return _scaled(width, edge, side), _scaled(height, edge, side)


ORIGINAL: Final = Canvas()


@dataclass(frozen=True, slots=True)
class Tile:
    """One window of a canvas and the part of it whose detections are kept."""

    window: Box  # (x0, y0, x1, y1) in canvas pixels, the pixels to read; the origin is a multiple of the stride
    core: Box  # (x0, y0, x1, y1), inside the window; the cores of all tiles partition the canvas


def parse_canvas(text: str | int) -> Canvas:
    """Returns the canvas named ``8k``, ``original``, by a long edge such as ``4096`` or a short one, ``short-640``.

    Raises ValueError: anything else; the message lists the choices.
    """
    name = str(text).strip().lower()
    if name == "8k":
        return Canvas(LONG_EDGE_8K)
    if name == "original":
        return ORIGINAL
    edge = name.removeprefix(_SHORT)
    if edge.isascii() and edge.isdigit() and int(edge) > 0:
        return Canvas(int(edge)) if edge == name else Canvas(short_edge=int(edge))
    raise ValueError(
        f"unknown canvas {text!r}: choose 8k (long edge {LONG_EDGE_8K}), original, a long edge in pixels, "
        f"or a short one, such as {_SHORT}640"
    )


def tiles(width: int, height: int, tile: int, halo: int, multiple: int = 32) -> list[Tile]:
    """Returns the tiles of a canvas, row by row: cores that partition it, each with a halo inside its window.

    Args:
        width: canvas, pixels.
        height: canvas, pixels.
        tile: greatest side of a window, pixels.
        halo: pixels between a core and the edge of its window on every side that is not the canvas border.
        multiple: window origins are multiples of this (the detector's coarsest stride), so that its cells line up
            with those of the whole image.

    Raises ValueError: an empty canvas, a negative halo, or a tile that leaves no room between its halos.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a canvas of {width} x {height} pixels has no tiles")
    if halo < 0 or multiple < 1:
        raise ValueError(f"halo must be at least 0 and multiple at least 1, got {halo} and {multiple}")
    if tile <= 2 * halo:
        raise ValueError(
            f"tile of {tile} px has no core between two halos of {halo} px: at least {2 * halo + multiple}"
        )
    columns, rows = list(_cut(width, tile, halo, multiple)), list(_cut(height, tile, halo, multiple))
    return [
        Tile(window=(wx0, wy0, wx1, wy1), core=(cx0, cy0, cx1, cy1))
        for wy0, wy1, cy0, cy1 in rows
        for wx0, wx1, cx0, cx1 in columns
    ]


def _cut(length: int, tile: int, halo: int, multiple: int) -> Iterator[Box]:
    """Yields (window start, window end, core start, core end) along one side."""
    if length <= tile:
        yield 0, length, 0, length
        return
    # Every inner window starts at a multiple of `multiple` and its successor's core starts `halo` after that, so the
    # step between windows is the largest multiple that still leaves both halos inside one window.
    step = (tile - 2 * halo) // multiple * multiple
    if step < 1:
        need = f"two halos of {halo} px and one step of {multiple} px need at least {2 * halo + multiple} px"
        raise ValueError(f"tile of {tile} px is too small: {need}")
    window = core = 0
    while window + tile < length:
        core_end = window + step + halo
        yield window, window + tile, core, core_end
        window, core = window + step, core_end
    yield window, length, core, length


def _scaled(side: int, edge: int, reference: int) -> int:
    return max(1, (2 * side * edge + reference) // (2 * reference))
