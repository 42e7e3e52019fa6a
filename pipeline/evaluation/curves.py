"""Lines and points as SVG text: precision and recall, AP over the image size, any number over another.

A script reads the values at the cursor out of the paths and hides the runs that are switched off (`page_parts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from pipeline.evaluation.plot_frame import QUARTERS, UNIT, Axis, line, nice_top, places, plot, spot, to_right, up
from pipeline.evaluation.wider_ap import ApCounts, curve

_SHARE = Axis(0, 1)


def pr_curves(runs: Sequence[ApCounts], title: str) -> Markup:
    """Returns one square plot with a precision-recall line per run; precision up, recall to the right, both 0 to 1."""
    lines = []
    for index, counts in enumerate(runs):
        precision, recall = curve(counts)
        known = np.isfinite(precision) & np.isfinite(recall)
        lines.append(line(index, places(recall[known], precision[known])))
    return plot(title, "recall", "precision", UNIT, UNIT, lines, (_SHARE, _SHARE))


def size_curves(lines: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Markup:
    """Returns AP (up, 0 to 1) over the long edge of the image in pixels (to the right, in octaves), one line per name.

    Args:
        lines: name -> (long edge, AP), rising in the edge; an AP that does not exist leaves its point out.
        title: the label for screen readers.
    """
    edges = sorted({edge for points in lines.values() for edge, _ in points})
    octaves = [float(np.log2(edge)) for edge in edges]
    first, last = min(octaves, default=0.0), max(octaves, default=1.0)
    span = max(last - first, 1e-9)
    share = {edge: (octave - first) / span for edge, octave in zip(edges, octaves, strict=True)}
    parts = []
    for index, (name, points) in enumerate(lines.items()):
        known = [(edge, ap) for edge, ap in points if np.isfinite(ap)]
        spots = [(to_right(share[edge]), up(ap)) for edge, ap in known]
        parts.append(line(index, spots))
        for (x, y), (edge, ap) in zip(spots, known, strict=True):
            parts.append(spot(index, x, y, f"{name}, {edge:g} px: {100 * ap:.2f}"))
    across = [(share[edge], f"{edge:g}") for edge in edges]
    axes = Axis(2**first, 2 ** (first + span), "log"), _SHARE
    return plot(title, "long edge of the image in px", "AP", across, UNIT, parts, axes)


def line_plot(
    lines: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, y: str, octaves: bool = False
) -> Markup:
    """Returns one line per name through its points; values that are not finite are left out.

    Args:
        lines: name -> (x, y), y at least 0.
        title: for screen readers.
        x: name of the horizontal axis.
        y: name of the vertical axis.
        octaves: x in octaves; it is then above 0. Otherwise x is at least 0.
    """
    known = {name: [each for each in points if np.isfinite(each).all()] for name, points in lines.items()}
    values = sorted({a for points in known.values() for a, _ in points}) or [1.0]
    top = nice_top(max((b for points in known.values() for _, b in points), default=1.0))
    low, high = (values[0], max(values[-1], 2 * values[0])) if octaves else (0.0, nice_top(values[-1]))

    def share(value: float) -> float:
        return float(np.log2(value / low) / np.log2(high / low)) if octaves else value / high

    parts = []
    for index, (name, points) in enumerate(known.items()):
        spots = [(to_right(share(a)), up(b / top)) for a, b in points]
        parts.append(line(index, spots))
        for (across, height), (a, b) in zip(spots, points, strict=True):
            parts.append(spot(index, across, height, f"{name}, {a:g}: {b:.3g}"))
    exponents = range(int(np.ceil(np.log2(low))), int(np.log2(high)) + 1) if octaves else ()
    ticks = [2.0**each for each in exponents] or [quarter * high for quarter in QUARTERS]
    ups = [(quarter, f"{quarter * top:.3g}") for quarter in QUARTERS]
    axes = Axis(low, high, "log" if octaves else "linear"), Axis(0, top)
    return plot(title, x, y, [(share(tick), f"{tick:g}") for tick in ticks], ups, parts, axes)


def dense_curves(lines: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, y: str) -> Markup:
    """Returns one line per name through its points, however many, without a spot on each; y is from 0 to 1.

    Args:
        lines: name -> (x, y), x at least 0 and never falling; from 0 to 1 where none is above 1, as a recall is.
        title: for screen readers.
        x: name of the horizontal axis.
        y: name of the vertical axis.
    """
    arrays = [np.asarray(points, np.float64).reshape(-1, 2) for points in lines.values()]
    most = max((float(points[:, 0].max()) for points in arrays if len(points)), default=1.0)
    shares = most <= 1
    top = 1.0 if shares else nice_top(most)
    across = UNIT if shares else [(quarter, f"{quarter * top:,.0f}") for quarter in QUARTERS]
    parts = [line(index, places(points[:, 0] / top, points[:, 1])) for index, points in enumerate(arrays)]
    return plot(title, x, y, across, UNIT, parts, (Axis(0, top), _SHARE))
