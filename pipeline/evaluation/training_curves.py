"""Losses and other numbers of trainings over their steps, as SVG text.

Trainings whose numbers are far apart (a detector's loss of 8 beside a ranker's of 0.02) share a logarithmic axis: on a
linear one all but the largest would be a line on the floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pipeline.evaluation.plot_frame import QUARTERS, Axis, Ticks, line, nice_top, places, plot

APART: Final = 5.0
"""How many times the median of one training is that of another where the axis becomes logarithmic."""
DECADES: Final = 4
"""Powers of ten of a logarithmic axis at most; smaller numbers are drawn at its lower end."""


def loss_curves(losses: Mapping[str, Sequence[float]]) -> Markup:
    """Returns training loss per logged step, one line per training; values that are not finite leave a gap."""
    series = {name: list(enumerate(values, 1)) for name, values in losses.items() if len(values)}
    return metric_curves(series, "Training loss", "loss", smooth=True)


def metric_curves(
    series: Mapping[str, Sequence[tuple[int, float]]], title: str, name: str, smooth: bool = False
) -> Markup:
    """Returns a number over the steps of a training, one line per training.

    The vertical axis is logarithmic where all numbers are above 0 and the medians of two trainings are `APART`.

    Args:
        series: training -> (step from 1 on, value), rising in the step; values that are not finite are left out.
        title: for screen readers.
        name: of the number, beside its axis; "" where a title above the plot says it.
        smooth: whether its running mean is drawn, and the values themselves faintly behind it.
    """
    arrays = [np.asarray(points, np.float64).reshape(-1, 2) for points in series.values()]
    finite = [points[np.isfinite(points[:, 1])] for points in arrays]
    axis, ups = _vertical([points[:, 1] for points in finite if len(points)])
    steps = max((float(points[:, 0].max()) for points in arrays if len(points)), default=1.0)
    parts = []
    for index, known in enumerate(finite):
        x, values = (known[:, 0] - 1) / max(1.0, steps - 1), known[:, 1]
        if smooth:
            parts.append(line(index, places(x, _shares(axis, values)), "line faint"))
            values = _smooth(values)
        parts.append(line(index, places(x, _shares(axis, values))))
    stride = max(1, round(nice_top(steps / 5)))
    across = [((step - 1) / max(1.0, steps - 1), f"{step:,}") for step in range(stride, int(steps) + 1, stride)]
    beside = ", ".join(filter(None, [name, "logarithmic" if axis.scale == "log" else ""]))
    return plot(title, "logged step", beside, across, ups, parts, (Axis(1, max(2.0, steps)), axis))


def _vertical(values: Sequence[NDArray[np.float64]]) -> tuple[Axis, Ticks]:
    """Returns the axis of the values of several trainings, each [N] with N above 0, and its ticks."""
    every = np.concatenate([np.zeros(0), *values])
    top = nice_top(float(every.max())) if every.size else 1.0
    medians = [float(np.median(each)) for each in values]
    if not every.size or every.min() <= 0 or max(medians) <= APART * min(medians):
        return Axis(0, top), [(share, _short(share * top)) for share in QUARTERS]
    low = max(10.0 ** np.floor(np.log10(every.min())), top * 10.0**-DECADES)
    axis = Axis(float(low), top, "log")
    powers = [10.0**each for each in range(int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(top))) + 1)]
    ticks = np.array(powers if len(powers) > 2 else [step * power for power in powers for step in (1, 2, 5)])
    within = ticks[ticks <= top * (1 + 1e-9)]
    return axis, [
        (share, _power(value)) for share, value in zip(_shares(axis, within).tolist(), within.tolist(), strict=True)
    ]


def _shares(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns where values are on an axis, in 0..1; those outside are at its ends."""
    if axis.scale == "log":
        inside = np.clip(values, axis.low, axis.high)
        shares: NDArray[np.float64] = np.log(inside / axis.low) / np.log(axis.high / axis.low)
        return shares
    linear: NDArray[np.float64] = np.clip((values - axis.low) / (axis.high - axis.low), 0, 1)
    return linear


def _short(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:.4g}" if value >= 1 else f"{value:.3g}"


def _power(value: float) -> str:
    """Returns a tick of a logarithmic axis; small ones as 1e-3, which leaves room for the axis's name."""
    return _short(value) if value >= 0.01 else f"{value:.0e}".replace("e-0", "e-")


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a running mean over a twentieth of the steps."""
    window = max(1, len(values) // 20)
    total = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    mean: NDArray[np.float64] = (total[ends] - total[starts]) / (ends - starts)
    return mean
