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
_ACROSS = _WIDTH - _LEFT - _RIGHT
_UNIT: Final = [(value, f"{value:.1f}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
_QUARTERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def pr_curves(runs: Sequence[ApCounts], title: str) -> Markup:
    """Returns one square plot with a precision-recall line per run; precision up, recall to the right, both 0 to 1."""
    lines = []
    for index, counts in enumerate(runs):
        precision, recall = curve(counts)
        known = np.isfinite(precision) & np.isfinite(recall)
        lines.append(_line(index, _points(recall[known], precision[known])))
    return _plot(title, _grid(_UNIT, _UNIT), "recall", "precision", lines)


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
        spots = [(_across(share[edge]), _up(ap)) for edge, ap in known]
        parts.append(_line(index, spots))
        for (x, y), (edge, ap) in zip(spots, known, strict=True):
            spot = f'<circle {_fill(index)} cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
            parts.append(_titled(f"{escape(name)}, {edge:g} px: {100 * ap:.2f}", spot))
    across = [(share[edge], f"{edge:g}") for edge in edges]
    return _plot(title, _grid(across, _UNIT), "long edge of the image in px", "AP", parts)


def line_plot(
    lines: Mapping[str, Sequence[tuple[float, float]]], title: str, across: str, up: str, octaves: bool = False
) -> Markup:
    """Returns one line per name through its points; values that are not finite are left out.

    Args:
        lines: name -> (x, y), y at least 0.
        title: for screen readers.
        across: of the horizontal axis, plain words.
        up: of the vertical one.
        octaves: x in octaves; it is then above 0. Otherwise x is at least 0.
    """
    known = {name: [(x, y) for x, y in points if np.isfinite([x, y]).all()] for name, points in lines.items()}
    values = sorted({x for points in known.values() for x, _ in points}) or [1.0]
    top = _nice_top(max((y for points in known.values() for _, y in points), default=1.0))
    first, last = (np.log2(values[0]), np.log2(values[-1])) if octaves else (0.0, _nice_top(values[-1]))
    span = max(last - first, 1e-9)

    def share(x: float) -> float:
        return float(((np.log2(x) if octaves else x) - first) / span)

    parts = []
    for index, (name, points) in enumerate(known.items()):
        spots = [(_across(share(x)), _up(y / top)) for x, y in points]
        parts.append(_line(index, spots))
        for (x, y), point in zip(spots, points, strict=True):
            spot = f'<circle {_fill(index)} cx="{x:.1f}" cy="{y:.1f}" r="2"/>'
            parts.append(_titled(f"{escape(name)}, {point[0]:g}: {point[1]:.3g}", spot))
    whole = range(int(np.ceil(first)), int(last) + 1) if octaves else ()
    ticks = [2.0**each for each in whole] or [quarter * last for quarter in _QUARTERS]
    ups = [(quarter, f"{quarter * top:.3g}") for quarter in _QUARTERS]
    return _plot(title, _grid([(share(tick), f"{tick:g}") for tick in ticks], ups), across, up, parts)


def loss_curves(losses: Mapping[str, Sequence[float]]) -> Markup:
    """Returns training loss per logged step, one line per training; values that are not finite leave a gap."""
    series = [np.asarray(values, np.float64) for values in losses.values() if len(values)]
    finite = np.concatenate([np.zeros(0), *(values[np.isfinite(values)] for values in series)])
    top = _nice_top(float(finite.max())) if finite.size else 1.0
    steps = max(map(len, series), default=1)
    lines = []
    for index, values in enumerate(series):
        known = np.isfinite(values)
        x = np.arange(len(values))[known] / max(1, steps - 1)
        lines.append(_line(index, _points(x, values[known] / top), "line faint"))
        lines.append(_line(index, _points(x, _smooth(values[known]) / top)))
    ups = [(share, f"{share * top:.3g}") for share in _QUARTERS]
    across = [(share, f"{round(share * steps):,}") for share in _QUARTERS]
    return _plot("Training loss", _grid(across, ups), "logged step", "loss", lines)


def size_bars(histogram: SizeHistogram) -> Markup:
    """Returns two bars in one place per bin of face height: all counted faces behind, found ones in front."""
    edges = histogram.edges
    top, slot = _nice_top(float(max(1, histogram.faces.max(initial=0)))), _ACROSS / len(edges)
    bars = []
    for index, (faces, found) in enumerate(zip(histogram.faces.tolist(), histogram.found.tolist(), strict=True)):
        last, middle = index == len(edges) - 1, _LEFT + (index + 0.5) * slot
        label = f"{edges[index]} px and more" if last else f"{edges[index]} to {edges[index + 1]} px"
        left, width = _LEFT + (index + 0.14) * slot, 0.72 * slot
        counts = (("all", faces), ("found", found))
        pair = "".join(_column(left, count / top, width, f'class="bar-{kind}"') for kind, count in counts)
        share = f"{found / faces:.0%}" if faces else ""
        pair += f'<text class="share" x="{middle:.1f}" y="{_up(faces / top) - 4:.1f}">{share}</text>'
        bars += [_titled(f"{label}: {found:,} of {faces:,} faces found", pair), _tick(middle, str(edges[index]))]
    ups = [(share, f"{share * top:,.0f}") for share in _QUARTERS]
    return _plot("Faces by height", _grid([], ups), "face height from … px", "faces", bars)


def scale_bars(bins: Sequence[ScaleBin], most: float) -> Markup:
    """Returns one bar per bin of face scale, as high as its share; plots with one `most` (share) can be compared."""
    top, slot = _nice_top(100 * most), _ACROSS / max(1, len(bins))
    bars = []
    for index, each in enumerate(bins):
        bar = _column(_LEFT + (index + 0.1) * slot, 100 * each.share / top, 0.8 * slot, 'class="bar-found"')
        bars.append(_titled(f"{_span(each)}: {each.share:.1%}, {each.count:,} faces", bar))
    # Borders of half octaves are no round numbers; every second octave leaves room for its figures on a phone.
    edges = [(index, each.low) for index, each in enumerate(bins) if each.low and np.log2(each.low) % 2 == 0]
    across = [(index / len(bins), f"{edge:.0f}") for index, edge in edges]
    return _plot("Faces by scale", _grid(across, _percents(top)), "scale in px", "faces", bars)


def target_bars(targets: Mapping[str, Sequence[ScaleBin]]) -> Markup:
    """Returns per level one bar for each augmentation, the share of sizes sampled there, a line where it should be."""
    top = _nice_top(100 * max(max(each.share, each.expected or 0) for bins in targets.values() for each in bins))
    levels = _levels(targets)
    slot = _ACROSS / len(levels)
    width = 0.76 * slot / len(targets)
    parts = []
    for index, (name, bins) in enumerate(targets.items()):
        for each in bins:
            x = _LEFT + (levels.index(each.level or 0) + 0.12) * slot + index * width
            label = f"p{each.level}, {_span(each)}, {name}: {each.share:.2%} of the sampled sizes"
            bar = _column(x, 100 * each.share / top, 0.9 * width, _fill(index))
            if each.expected is not None:
                label += f", expected {each.expected:.2%}"
                bar += (
                    f'<path class="mark" d="M{x - 0.05 * width:.1f} {_up(100 * each.expected / top):.1f}h{width:.1f}"/>'
                )
            parts.append(_titled(label, bar))
    parts += [_tick(_LEFT + (index + 0.5) * slot, f"p{level}") for index, level in enumerate(levels)]
    return _plot("Sizes sampled per level", _grid([], _percents(top)), "level", "sizes sampled", parts)


def range_bars(readings: Mapping[str, Sequence[ScaleBin]]) -> Markup:
    """Returns per level, finest on top, one horizontal bar per reading: its range of face scales in octaves."""
    known = [each for bins in readings.values() for each in bins if each.low and each.high]
    first = np.floor(np.log2(min((each.low or 1 for each in known), default=1)))
    last = np.log2(max((each.high or 2 for each in known), default=2))
    levels = _levels(readings)
    slot = (_HEIGHT - _TOP - _BOTTOM) / max(1, len(levels))
    height = 0.8 * slot / max(1, len(readings))
    parts = []
    for index, (name, bins) in enumerate(readings.items()):
        for each in bins:
            if not (each.low and each.high):
                continue
            left, right = (_across((np.log2(edge) - first) / (last - first)) for edge in (each.low, each.high))
            y = _TOP + (levels.index(each.level or 0) + 0.1) * slot + index * height
            label = f"p{each.level}, {name}: {_span(each)}; gives {each.share:.0%} of the anchors of faces in there"
            parts.append(_titled(label, _bar(left, y, right - left, 0.86 * height, _fill(index))))
    ups = [(1 - (index + 0.5) / len(levels), f"p{level}") for index, level in enumerate(levels)]
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
        parts.append(_tick(x, text))
    return "".join(parts)


def _bar(x: float, y: float, width: float, height: float, paint: str) -> str:
    return f'<rect {paint} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5"/>'


def _column(x: float, share: float, width: float, paint: str) -> str:
    return _bar(x, _up(share), width, _HEIGHT - _BOTTOM - _up(share), paint)


def _fill(index: int) -> str:
    return f'style="fill:var(--c{index % COLOURS})"'


def _line(index: int, points: Sequence[tuple[float, float]], kind: str = "line") -> str:
    return f'<path class="{kind}" style="stroke:var(--c{index % COLOURS})" d="{_path(points)}"/>'


def _tick(x: float, text: str) -> str:
    return f'<text class="tick mid" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 14}">{text}</text>'


def _titled(label: str, parts: str) -> str:
    return f"<g><title>{label}</title>{parts}</g>"


def _levels(named: Mapping[str, Sequence[ScaleBin]]) -> list[int]:
    return sorted({each.level for bins in named.values() for each in bins if each.level is not None})


def _percents(top: float) -> list[tuple[float, str]]:
    return [(share, f"{share * top:.3g}%") for share in _QUARTERS]


def _span(each: ScaleBin) -> str:
    if each.low is None:
        return f"below {each.high:.4g} px"
    return f"{each.low:.4g} px and more" if each.high is None else f"{each.low:.4g} to {each.high:.4g} px"


def _across(share: float) -> float:
    return _LEFT + share * _ACROSS


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
