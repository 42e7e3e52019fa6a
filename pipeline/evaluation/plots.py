"""Bars as SVG text without any library: crisp at every size, coloured by the page's CSS, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pipeline.evaluation.face_statistics import ScaleBin
from pipeline.evaluation.hits_and_misses import SizeHistogram
from pipeline.evaluation.plot_frame import (
    ACROSS,
    BOTTOM,
    HEIGHT,
    LEFT,
    QUARTERS,
    TOP,
    UNIT,
    bar,
    column,
    fill,
    nice_top,
    plot,
    tick,
    titled,
    to_right,
    up,
)
from pipeline.evaluation.wider_ap import STEPS, ApCounts

SCORE_BINS = 20
"""Bins of a distribution of scores, each of as many thresholds."""


def size_bars(histogram: SizeHistogram) -> Markup:
    """Returns two bars in one place per bin of face height: all counted faces behind, found ones in front."""
    edges = histogram.edges
    top, slot = nice_top(float(max(1, histogram.faces.max(initial=0)))), ACROSS / len(edges)
    bars = []
    for index, (faces, found) in enumerate(zip(histogram.faces.tolist(), histogram.found.tolist(), strict=True)):
        last, middle = index == len(edges) - 1, LEFT + (index + 0.5) * slot
        label = f"{edges[index]} px and more" if last else f"{edges[index]} to {edges[index + 1]} px"
        left, width = LEFT + (index + 0.14) * slot, 0.72 * slot
        counts = (("all", faces), ("found", found))
        pair = "".join(column(left, count / top, width, f'class="bar-{kind}"') for kind, count in counts)
        share = "" if not faces else "all" if found == faces else f"{found / faces:.0%}"
        pair += f'<text class="share" x="{middle:.1f}" y="{up(faces / top) - 4:.1f}">{share}</text>'
        bars += [titled(f"{label}: {found:,} of {faces:,} faces found", pair), tick(middle, str(edges[index]))]
    ups = [(share, f"{share * top:,.0f}") for share in QUARTERS]
    return plot("Faces by height", "face height from … px", "faces", [], ups, bars)


def scale_bars(bins: Sequence[ScaleBin], most: float) -> Markup:
    """Returns one bar per bin of face scale, as high as its share; plots with one `most` (share) can be compared."""
    top, slot = nice_top(100 * most), ACROSS / max(1, len(bins))
    bars = []
    for index, each in enumerate(bins):
        drawn = column(LEFT + (index + 0.1) * slot, 100 * each.share / top, 0.8 * slot, 'class="bar-found"')
        bars.append(titled(f"{_span(each)}: {each.share:.1%}, {each.count:,} faces", drawn))
    # Borders of half octaves are no round numbers; every second octave leaves room for its figures on a phone.
    edges = [(index, each.low) for index, each in enumerate(bins) if each.low and np.log2(each.low) % 2 == 0]
    across = [(index / len(bins), f"{edge:.0f}") for index, edge in edges]
    return plot("Faces by scale", "scale in px", "faces", across, _percents(top), bars)


def target_bars(targets: Mapping[str, Sequence[ScaleBin]]) -> Markup:
    """Returns per level one bar for each augmentation, the share of sizes sampled there, a line where it should be."""
    top = nice_top(100 * max(max(each.share, each.expected or 0) for bins in targets.values() for each in bins))
    levels = _levels(targets)
    slot = ACROSS / len(levels)
    width = 0.76 * slot / len(targets)
    parts = []
    for index, (name, bins) in enumerate(targets.items()):
        for each in bins:
            x = LEFT + (levels.index(each.level or 0) + 0.12) * slot + index * width
            label = f"p{each.level}, {_span(each)}, {name}: {each.share:.2%} of the sampled sizes"
            drawn = column(x, 100 * each.share / top, 0.9 * width, fill(index))
            if each.expected is not None:
                label += f", expected {each.expected:.2%}"
                drawn += (
                    f'<path class="mark" d="M{x - 0.05 * width:.1f} {up(100 * each.expected / top):.1f}h{width:.1f}"/>'
                )
            parts.append(titled(label, drawn))
    parts += [tick(LEFT + (index + 0.5) * slot, f"p{level}") for index, level in enumerate(levels)]
    return plot("Sizes sampled per level", "level", "sizes sampled", [], _percents(top), parts)


def range_bars(readings: Mapping[str, Sequence[ScaleBin]]) -> Markup:
    """Returns per level, finest on top, one horizontal bar per reading: its range of face scales in octaves."""
    known = [each for bins in readings.values() for each in bins if each.low and each.high]
    first = np.floor(np.log2(min((each.low or 1 for each in known), default=1)))
    last = np.log2(max((each.high or 2 for each in known), default=2))
    levels = _levels(readings)
    slot = (HEIGHT - TOP - BOTTOM) / max(1, len(levels))
    height = 0.8 * slot / max(1, len(readings))
    parts = []
    for index, (name, bins) in enumerate(readings.items()):
        for each in bins:
            if not (each.low and each.high):
                continue
            left, right = (to_right((np.log2(edge) - first) / (last - first)) for edge in (each.low, each.high))
            y = TOP + (levels.index(each.level or 0) + 0.1) * slot + index * height
            label = f"p{each.level}, {name}: {_span(each)}; gives {each.share:.0%} of the anchors of faces in there"
            parts.append(titled(label, bar(left, y, right - left, 0.86 * height, fill(index))))
    ups = [(1 - (index + 0.5) / len(levels), f"p{level}") for index, level in enumerate(levels)]
    octaves = range(int(first), int(last) + 1)  # of whole ones only, so that no figures run past the right border
    across = [((octave - first) / (last - first), f"{2**octave:g}") for octave in octaves]
    return plot("Face scales per level", "face scale in px", "level", across, ups, parts)


def score_bars(counts: ApCounts) -> Markup:
    """Returns two bars per bin of the normalised score, on a logarithmic axis: detections on faces, and on none.

    They come from the whole numbers of the AP: what enters between two thresholds. Detections on ignored faces are in
    neither; the second detection on a face is a false one.
    """
    ends = np.arange(1, SCORE_BINS + 1) * (STEPS // SCORE_BINS) - 1
    all_B, found_B = (np.diff(each[ends], prepend=0)[::-1] for each in (counts.proposals, counts.matches))
    top = float(np.ceil(np.log10(max(10, int(all_B.max(initial=0))))))
    slot = ACROSS / SCORE_BINS
    bars = []
    for index, (every, found) in enumerate(zip(all_B.tolist(), found_B.tolist(), strict=True)):
        label = (
            f"{index / SCORE_BINS:.2f} to {(index + 1) / SCORE_BINS:.2f}: {found:,} on faces, {every - found:,} false"
        )
        shares = [(1 + np.log10(count)) / (1 + top) if count else 0.0 for count in (found, every - found)]
        left = LEFT + (index + 0.1) * slot
        pair = column(left, shares[0], 0.4 * slot, 'class="bar-found"')
        bars.append(titled(label, pair + column(left + 0.4 * slot, shares[1], 0.4 * slot, 'class="bar-false"')))
    ups = [((1 + power) / (1 + top), f"{10**power:,}") for power in range(int(top) + 1)]
    return plot("Distribution of scores", "normalised score", "detections", UNIT, ups, bars)


def box_path(boxes: NDArray[np.float64]) -> str:
    """Returns the outlines of xyxy boxes [N, 4] as one SVG path, to a tenth of a pixel."""
    return "".join(f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}z" for x1, y1, x2, y2 in boxes.tolist())


def _levels(named: Mapping[str, Sequence[ScaleBin]]) -> list[int]:
    return sorted({each.level for bins in named.values() for each in bins if each.level is not None})


def _percents(top: float) -> list[tuple[float, str]]:
    return [(share, f"{share * top:.3g}%") for share in QUARTERS]


def _span(each: ScaleBin) -> str:
    if each.low is None:
        return f"below {each.high:.4g} px"
    return f"{each.low:.4g} px and more" if each.high is None else f"{each.low:.4g} to {each.high:.4g} px"
