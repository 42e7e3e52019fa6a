"""The frame of a plot as SVG text: axes, grid, ticks, and where a share of an axis is; what `plots.py` draws in.

What a script may move is in a nested `<svg class="area">` with the coordinates of the plot itself; the axes around it
are groups of their own. The script finds the numbers of both axes in `data-x` and `data-y`: "<scale> <from> <to>".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

COLOURS: Final = 8
"""Colours of runs, --c0 to --c7 in page.css; a ninth run begins again, with dashes."""
UNIT: Final = [(value, f"{value:.1f}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
QUARTERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
ROUND: Final = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)

WIDTH, HEIGHT = 380, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 14, 38
ACROSS, DOWN = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
_AREA: Final = (
    f'<svg class="area" x="{LEFT}" y="{TOP}" width="{ACROSS}" height="{DOWN}" '
    f'viewBox="{LEFT} {TOP} {ACROSS} {DOWN}" preserveAspectRatio="none">'
)

Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Axis:
    """What the numbers of an axis are: `low` at its beginning, `high` at its end."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    def __str__(self) -> str:
        """Returns what the script reads: "<scale> <low> <high>"."""
        return f"{self.scale} {self.low:.6g} {self.high:.6g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot of several lines: its title, the SVG, the lines' names and a sentence on what is shown."""

    title: str
    plot: Markup
    names: Sequence[str]
    note: str = ""


def plot(
    title: str, x: str, y: str, across: Ticks, ups: Ticks, content: Sequence[str], axes: tuple[Axis, Axis] | None = None
) -> Markup:
    """Returns a whole plot.

    Args:
        title: for screen readers; a fixed text, like the names of the axes.
        x: name of the horizontal axis.
        y: name of the vertical axis.
        across: (share of the axis, text) of each line of the grid along x.
        ups: the same along y.
        content: parts made by this file and its callers, whose texts are escaped.
        axes: horizontal and vertical one of a plot that a script may zoom and read values in; None for a still one.
    """
    kind, numbers, drawn = "plot", "", "".join(content)
    if axes is not None:
        kind, numbers = "plot chart", f' data-x="{axes[0]}" data-y="{axes[1]}" data-names="{x}|{y}"'
        drawn = _AREA + drawn + "</svg>"
    centre, middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    names = (
        f'<text class="axis" x="{centre}" y="{HEIGHT - 6}">{x}</text>'
        f'<text class="axis" transform="translate(10 {middle}) rotate(-90)">{y}</text>'
    )
    opening = f'<svg class="{kind}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"{numbers}>'
    return Markup(opening + _grid(across, ups) + drawn + names + "</svg>")


def _grid(across: Ticks, ups: Ticks) -> str:
    parts = ['<g class="ticks-y">']
    for share, text in ups:
        y = up(share)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 5}" y="{y + 3.5:.1f}">{text}</text>')
    parts.append('</g><g class="ticks-x">')
    for share, text in across:
        x = to_right(share)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(tick(x, text))
    return "".join([*parts, "</g>"])


def tick(x: float, text: str) -> str:
    """Returns a text below the horizontal axis."""
    return f'<text class="tick mid" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}">{text}</text>'


def bar(x: float, y: float, width: float, height: float, paint: str) -> str:
    """Returns a rectangle; `paint` is its class or style."""
    return f'<rect {paint} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5"/>'


def column(x: float, share: float, width: float, paint: str) -> str:
    """Returns a bar from the horizontal axis up to a share of the vertical one."""
    return bar(x, up(share), width, HEIGHT - BOTTOM - up(share), paint)


def fill(index: int) -> str:
    """Returns the style of an area in the colour of a run."""
    return f'style="fill:var(--c{index % COLOURS})"'


def line(index: int, points: Sequence[tuple[float, float]], kind: str = "line") -> str:
    """Returns a line of a run through points, see `places`; neighbours closer than a tenth of a pixel are one."""
    kind += " again" if index >= COLOURS else ""
    return f'<path class="{kind}" data-run="{index}" style="stroke:var(--c{index % COLOURS})" d="{_path(points)}"/>'


def spot(index: int, x: float, y: float, label: str) -> str:
    """Returns a round point of a run, which stays round under any zoom; `label` is plain text."""
    return (
        f'<path class="spot" data-run="{index}" data-label="{escape(label)}" '
        f'style="stroke:var(--c{index % COLOURS})" d="M{x:.1f} {y:.1f}h.01"><title>{escape(label)}</title></path>'
    )


def titled(label: str, parts: str) -> str:
    """Returns parts that show a label, already escaped, under the mouse."""
    return f"<g><title>{label}</title>{parts}</g>"


def to_right(share: float) -> float:
    """Returns the x of a share of the horizontal axis."""
    return LEFT + share * ACROSS


def up(share: float) -> float:
    """Returns the y of a share of the vertical axis."""
    return HEIGHT - BOTTOM - share * DOWN


def places(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Returns the points of two arrays [N] of shares of the axes."""
    return [(to_right(a), up(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    texts = [f"{x:.1f} {y:.1f}" for x, y in points]
    return "M" + "L".join(text for place, text in enumerate(texts) if not place or text != texts[place - 1])


def nice_top(value: float) -> float:
    """Returns the least round number that is not below the value and whose quarters read well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in ROUND if step * power >= value * (1 - 1e-12)))
