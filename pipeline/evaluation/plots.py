"""Plots as SVG text without any library: crisp at every size, coloured by the page's CSS, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from pipeline.evaluation.face_statistics import ScaleBin
from pipeline.evaluation.hits_and_misses import SizeHistogram
from pipeline.evaluation.wider_ap import ApCounts, curve

COLOURS: Final = 8  # --c0 .. --c7 in page.css; a ninth run begins again
_ROUND: Final = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)

_WIDTH, _HEIGHT = 380, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 10, 14, 38


def pr_curves(runs: Sequence[ApCounts], title: str) -> Markup:
    """Returns one square plot with a precision-recall line per run; precision up, recall to the right, both 0 to 1."""
    lines = []
    for place, counts in enumerate(runs):
        precision, recall = curve(counts)
        known = np.isfinite(precision) & np.isfinite(recall)
        points = _points(recall[known], precision[known])
        lines.append(f'<path class="line" style="stroke:var(--c{place % COLOURS})" d="{_path(points)}"/>')
    ticks = [(value, f"{value:.1f}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    return _plot(title, _grid(ticks, ticks), "recall", "precision", lines)


def size_curves(lines: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Markup:
    """Returns AP (up, 0 to 1) over the long edge of the image in pixels (to the right, in octaves), one line per name.

    Args:
        lines: name -> (long edge, AP), rising in the edge; an AP that does not exist leaves its point out.
        title: the label for screen readers.
    """
    octaves = [float(np.log2(edge)) for points in lines.values() for edge, _ in points]
    first, last = min(octaves, default=0.0), max(octaves, default=1.0)
    span = max(last - first, 1e-9)
    parts = []
    for place, (name, points) in enumerate(lines.items()):
        known = [(edge, ap) for edge, ap in points if np.isfinite(ap)]
        spots = [(_across((float(np.log2(edge)) - first) / span), _up(ap)) for edge, ap in known]
        colour = f"var(--c{place % COLOURS})"
        parts.append(f'<path class="line" style="stroke:{colour}" d="{_path(spots)}"/>')
        for (x, y), (edge, ap) in zip(spots, known, strict=True):
            label = f"{escape(name)}, {edge:g} px: {100 * ap:.2f}"
            spot = f'<circle style="fill:{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
            parts.append(f"<g><title>{label}</title>{spot}</g>")
    edges = sorted({edge for points in lines.values() for edge, _ in points})
    across = [((float(np.log2(edge)) - first) / span, f"{edge:g}") for edge in edges]
    ups = [(value, f"{value:.1f}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    return _plot(title, _grid(across, ups), "long edge of the image in px", "AP", parts)


def loss_curves(losses: Mapping[str, Sequence[float]]) -> Markup:
    """Returns training loss per logged step, one line per training; values that are not finite leave a gap."""
    series = {name: np.asarray(values, np.float64) for name, values in losses.items() if len(values)}
    finite = np.concatenate([np.zeros(0), *(values[np.isfinite(values)] for values in series.values())])
    top = _nice_top(float(finite.max())) if finite.size else 1.0
    steps = max((len(values) for values in series.values()), default=1)
    lines = []
    for place, values in enumerate(series.values()):
        known = np.isfinite(values)
        x = np.arange(len(values))[known] / max(1, steps - 1)
        colour = f"stroke:var(--c{place % COLOURS})"
        lines.append(f'<path class="line faint" style="{colour}" d="{_path(_points(x, values[known] / top))}"/>')
        smooth = _smooth(values[known])
        lines.append(f'<path class="line" style="{colour}" d="{_path(_points(x, smooth / top))}"/>')
    ups = [(share, f"{share * top:.3g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    across = [(share, f"{round(share * steps):,}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _plot("Training loss", _grid(across, ups), "logged step", "loss", lines)


def size_bars(histogram: SizeHistogram) -> Markup:
    """Returns two bars in one place per bin of face height: all counted faces behind, found ones in front."""
    bins = len(histogram.edges)
    top = _nice_top(float(max(1, histogram.faces.max(initial=0))))
    slot = (_WIDTH - _LEFT - _RIGHT) / bins
    bars = []
    for place, (edge, faces, found) in enumerate(
        zip(histogram.edges, histogram.faces.tolist(), histogram.found.tolist(), strict=True)
    ):
        left = _LEFT + (place + 0.14) * slot
        label = f"{edge} px and more" if place == bins - 1 else f"{edge} to {histogram.edges[place + 1]} px"
        share = f"{found / faces:.0%}" if faces else ""
        bars.append(f"<g><title>{label}: {found:,} of {faces:,} faces found</title>")
        for kind, count in (("all", faces), ("found", found)):
            y = _up(count / top)
            size = f'width="{0.72 * slot:.1f}" height="{_HEIGHT - _BOTTOM - y:.1f}"'
            bars.append(f'<rect class="bar-{kind}" x="{left:.1f}" y="{y:.1f}" {size} rx="1.5"/>')
        middle = _LEFT + (place + 0.5) * slot
        bars.append(f'<text class="share" x="{middle:.1f}" y="{_up(faces / top) - 4:.1f}">{share}</text></g>')
        bars.append(f'<text class="tick mid" x="{middle:.1f}" y="{_HEIGHT - _BOTTOM + 14}">{edge}</text>')
    ups = [(share, f"{share * top:,.0f}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _plot("Faces by height", _grid([], ups), "face height from … px", "faces", bars)


def scale_bars(bins: Sequence[ScaleBin], most: float) -> Markup:
    """Returns one bar per bin of face scale, as high as its share; plots with one `most` (share) can be compared."""
    top, slot = _nice_top(100 * most), (_WIDTH - _LEFT - _RIGHT) / max(1, len(bins))
    bars = []
    for place, each in enumerate(bins):
        x, y = _LEFT + (place + 0.1) * slot, _up(100 * each.share / top)
        label = f"{_span(each)}: {each.share:.1%}, {each.count:,} faces"
        size = f'width="{0.8 * slot:.1f}" height="{_HEIGHT - _BOTTOM - y:.1f}"'
        bars.append(f'<g><title>{label}</title><rect class="bar-found" x="{x:.1f}" y="{y:.1f}" {size} rx="1.5"/></g>')
    # Borders of half octaves are no round numbers; every second octave leaves room for its figures on a phone.
    edges = [(place, each.low) for place, each in enumerate(bins) if each.low and np.log2(each.low) % 2 == 0]
    across = [(place / len(bins), f"{edge:.0f}") for place, edge in edges]
    return _plot("Faces by scale", _grid(across, _percents(top)), "scale in px", "faces", bars)


def target_bars(targets: Mapping[str, Sequence[ScaleBin]]) -> Markup:
    """Returns per level one bar for each augmentation, the share of sizes sampled there, a line where it should be."""
    top = _nice_top(100 * max(max(each.share, each.expected or 0) for bins in targets.values() for each in bins))
    levels = sorted({each.level for bins in targets.values() for each in bins if each.level is not None})
    slot = (_WIDTH - _LEFT - _RIGHT) / len(levels)
    width = 0.76 * slot / len(targets)
    parts = []
    for place, (name, bins) in enumerate(targets.items()):
        for each in bins:
            x = _LEFT + (levels.index(each.level or 0) + 0.12) * slot + place * width
            y = _up(100 * each.share / top)
            label = f"p{each.level}, {_span(each)}, {name}: {each.share:.2%} of the sampled sizes"
            label += "" if each.expected is None else f", expected {each.expected:.2%}"
            size = f'width="{0.9 * width:.1f}" height="{_HEIGHT - _BOTTOM - y:.1f}" rx="1.5"'
            rect = f'<rect style="fill:var(--c{place % COLOURS})" x="{x:.1f}" y="{y:.1f}" {size}/>'
            parts.append(f"<g><title>{label}</title>{rect}{_mark(each, x, width, top)}</g>")
    parts += [
        f'<text class="tick mid" x="{_LEFT + (place + 0.5) * slot:.1f}" y="{_HEIGHT - _BOTTOM + 14}">p{level}</text>'
        for place, level in enumerate(levels)
    ]
    return _plot("Sizes sampled per level", _grid([], _percents(top)), "level", "sizes sampled", parts)


def range_bars(readings: Mapping[str, Sequence[ScaleBin]]) -> Markup:
    """Returns per level, finest on top, one horizontal bar per reading: its range of face scales in octaves."""
    known = [each for bins in readings.values() for each in bins if each.low and each.high]
    first = np.floor(np.log2(min((each.low or 1 for each in known), default=1)))
    last = np.log2(max((each.high or 2 for each in known), default=2))
    levels = sorted({each.level for bins in readings.values() for each in bins if each.level is not None})
    slot = (_HEIGHT - _TOP - _BOTTOM) / max(1, len(levels))
    height = 0.8 * slot / max(1, len(readings))
    parts = []
    for place, (name, bins) in enumerate(readings.items()):
        for each in bins:
            if not (each.low and each.high):
                continue
            left, right = (_across((np.log2(edge) - first) / (last - first)) for edge in (each.low, each.high))
            y = _TOP + (levels.index(each.level or 0) + 0.1) * slot + place * height
            label = f"p{each.level}, {name}: {_span(each)}; gives {each.share:.0%} of the anchors of faces in there"
            size = f'width="{right - left:.1f}" height="{0.86 * height:.1f}" rx="1.5"'
            rect = f'<rect style="fill:var(--c{place % COLOURS})" x="{left:.1f}" y="{y:.1f}" {size}/>'
            parts.append(f"<g><title>{label}</title>{rect}</g>")
    ups = [(1 - (place + 0.5) / len(levels), f"p{level}") for place, level in enumerate(levels)]
    octaves = range(int(first), int(last) + 1)  # of whole ones only, so that no figures run past the right border
    across = [((octave - first) / (last - first), f"{2**octave:g}") for octave in octaves]
    return _plot("Face scales per level", _grid(across, ups), "face scale in px", "level", parts)


def box_path(boxes: NDArray[np.float64]) -> str:
    """Returns the outlines of xyxy boxes [N, 4] as one SVG path, to a tenth of a pixel."""
    return "".join(f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}z" for x1, y1, x2, y2 in boxes.tolist())


def _plot(title: str, grid: str, across: str, up: str, content: Sequence[str]) -> Markup:
    """Wraps parts made here; every text in them is a number or a fixed word, so nothing needs escaping."""
    centre = (_LEFT + _WIDTH - _RIGHT) / 2
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    axes = (
        f'<text class="axis" x="{centre}" y="{_HEIGHT - 6}">{across}</text>'
        f'<text class="axis" transform="translate(10 {middle}) rotate(-90)">{up}</text>'
    )
    opening = f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
    return Markup(opening + grid + "".join(content) + axes + "</svg>")


def _grid(across: Sequence[tuple[float, str]], ups: Sequence[tuple[float, str]]) -> str:
    parts = []
    for share, text in ups:
        y = _up(share)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 5}" y="{y + 3.5:.1f}">{text}</text>')
    for share, text in across:
        x = _across(share)
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text class="tick mid" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 14}">{text}</text>')
    return "".join(parts)


def _percents(top: float) -> list[tuple[float, str]]:
    return [(share, f"{share * top:.3g}%") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]


def _span(each: ScaleBin) -> str:
    if each.low is None:
        return f"below {each.high:.4g} px"
    return f"{each.low:.4g} px and more" if each.high is None else f"{each.low:.4g} to {each.high:.4g} px"


def _mark(each: ScaleBin, x: float, width: float, top: float) -> str:
    if each.expected is None:
        return ""
    return f'<path class="mark" d="M{x - 0.05 * width:.1f} {_up(100 * each.expected / top):.1f}h{width:.1f}"/>'


def _across(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _up(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    return [(_across(a), _up(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    texts = [f"{x:.1f} {y:.1f}" for x, y in points]
    return "M" + "L".join(text for place, text in enumerate(texts) if not place or text != texts[place - 1])


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a running mean over a twentieth of the steps."""
    window = max(1, len(values) // 20)
    total = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    mean: NDArray[np.float64] = (total[ends] - total[starts]) / (ends - starts)
    return mean


def _nice_top(value: float) -> float:
    """Returns the least round number that is not below the value and whose quarters read well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in _ROUND if step * power >= value * (1 - 1e-12)))
