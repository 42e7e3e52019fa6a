"""AP against the time of an image: which runs are worth their time, and the frontier that they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.evaluation.plot_frame import Axis, plot, spot, to_right, up

_MARKS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Point:
    """A run: its row among the runs of the page, its milliseconds of one image and its AP in 0..1."""

    run: int
    name: str
    ms: float
    ap: float


def frontier(points: Sequence[Point]) -> list[Point]:
    """Returns the points that no other one is at least as quick and better than, the quickest first.

    Of two of one time the better one is in it, and of two of one AP the quicker one.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda each: (each.ms, -each.ap)):
        if not best or point.ap > best[-1].ap:
            best.append(point)
    return best


def trade_off_plot(points: Sequence[Point], title: str) -> Markup:
    """Returns AP in per cent over milliseconds of an image on a logarithmic axis, and the frontier as steps.

    Args:
        points: at least one, times above 0.
        title: for screen readers.
    """
    low, high = _times([point.ms for point in points])
    floor, top = _percents([100 * point.ap for point in points])

    def place(point: Point) -> tuple[float, float]:
        across = math.log(point.ms / low) / math.log(high / low)
        return to_right(across), up((100 * point.ap - floor) / (top - floor))

    steps = ""
    for point in frontier(points):
        x, y = place(point)
        steps += f"H{x:.1f}V{y:.1f}" if steps else f"M{x:.1f} {y:.1f}"
    parts = [f'<path class="frontier" d="{steps}H{to_right(1):.1f}"/>']
    for point in points:
        x, y = place(point)
        parts.append(spot(point.run, x, y, f"{point.name}: AP {100 * point.ap:.2f}, {point.ms:,.1f} ms"))
    across = [(math.log(ms / low) / math.log(high / low), f"{ms:,g}") for ms in _round_between(low, high)]
    ups = [(share, f"{floor + share * (top - floor):.4g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return plot(title, "ms per image", "AP in %", across, ups, parts, (Axis(low, high, "log"), Axis(floor, top)))


def _times(values: Sequence[float]) -> tuple[float, float]:
    """Returns the ends of an axis with a fifth of room on both sides."""
    return min(values) / 1.2, max(values) * 1.2


def _percents(values: Sequence[float]) -> tuple[float, float]:
    """Returns the ends of an axis that begins near the lowest AP, whose quarters are whole or half points."""
    low, high = min(values), max(values)
    for step in (2, 4, 8, 12, 20, 40, 60, 80):
        floor = math.floor((low - 0.1 * step) / (step / 4)) * step / 4
        floor = max(0.0, min(floor, 100 - step))
        if high - low <= 0.8 * step and high <= floor + step:
            return floor, floor + step
    return 0.0, 100.0


def _round_between(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [mark * 10.0**power for power in powers for mark in _MARKS if low <= mark * 10.0**power <= high]
