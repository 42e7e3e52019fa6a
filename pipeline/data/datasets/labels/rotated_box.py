"""The upright rectangle around a rotated box, as annotation tools write them."""

from __future__ import annotations

import math


def enclosing(corners: tuple[float, float, float, float], degrees: float, pivot: tuple[float, float]) -> list[float]:
    """Returns xyxy of the rectangle around a box, xyxy in pixels, turned clockwise (y points down) about a point."""
    x1, y1, x2, y2 = corners
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = [(x - pivot[0], y - pivot[1]) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))]
    xs = [pivot[0] + x * cos - y * sin for x, y in offsets]
    ys = [pivot[1] + x * sin + y * cos for x, y in offsets]
    return [min(xs), min(ys), max(xs), max(ys)]
