"""What a page's templates show of the runs: rows of its tables, lines of its protocol, plots, all as texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from pipeline.evaluation.curves import pr_curves, size_curves
from pipeline.evaluation.face_statistics import FaceStatistics, ScaleBin
from pipeline.evaluation.headline import best_run, ceiling
from pipeline.evaluation.missing_answers import FAILED, LEFT_OUT, UNREADABLE
from pipeline.evaluation.plots import range_bars, scale_bars, score_bars, target_bars
from pipeline.evaluation.result_table import percent
from pipeline.evaluation.run_result import RunResult, ap_by_size
from pipeline.evaluation.trade_off import Point, frontier, trade_off_plot
from pipeline.evaluation.training_curves import loss_curves, metric_curves
from pipeline.evaluation.wider_ap import ApCounts

Metric = Mapping[str, Sequence[tuple[int, float]]]
"""Name of a training -> (step, value) of one number that it logged."""
MOST_DISTRIBUTIONS: Final = 9
MOST_UNSMOOTHED: Final = 40
"""Points of a line that is drawn as it is; of more a running mean is drawn too."""
_WORDS = {
    "benchmark": "Benchmark",
    "reading": "Reading of the predictions",
    "iou": "IoU to match",
    "pixel_inclusive": "Boxes count inclusive pixels (+1)",
    "thresholds": "Score thresholds",
    "score_dtype": "Scores compared as",
    "score_min": "Lowest score",
    "score_max": "Highest score",
    "images": "Images",
    "boxes": "Detections",
    LEFT_OUT: "Unreadable images, left out",
    UNREADABLE: "Unreadable images, their faces missed",
    FAILED: "Images without an answer, their faces missed",
    "restricted": "Part of the set only",
    "score_cut": "Score above",
    "nms": "NMS IoU",
    "source": "Predictions from",
    "scales": "Scales",
    "weights": "Hash of the weights",
}
_SCALES = {
    "original": "As labelled",
    "best": "best overlap",
    "most": "most anchors",
    "any": "any anchor",
    "paper": "MogFace, Table 2",
    "released": "MogFace, released",
}


def ap_rows(runs: Sequence[RunResult], subsets: Sequence[str]) -> list[dict[str, Any]]:
    """Returns a row of the AP table per run, oracles last: they are limits, and lead no column."""
    rivals = [run for run in runs if not run.ceiling]
    ordered = [*rivals, *(run for run in runs if run.ceiling)]
    return [_row(run, rivals, subsets) for run in ordered]


def _row(run: RunResult, rivals: Sequence[RunResult], subsets: Sequence[str]) -> dict[str, Any]:
    cells = []
    for subset in subsets:
        value = run.ap.get(subset, math.nan)
        # A run without an AP neither leads nor keeps another one from it.
        known = [ap for other in rivals if (ap := other.ap.get(subset, math.nan)) == ap]
        leads = len(rivals) > 1 and not run.ceiling and value == max(known, default=-1)
        cells.append({"text": percent(value), "digits": repr(float(value)), "leads": leads})
    return {"run": run, "cells": cells, "ms": [_milliseconds(each) for each in run.ms]}


def _milliseconds(value: float | None) -> str:
    """Returns a time without decimals from a second on: five columns fit a phone."""
    return "–" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}"


def tiles(runs: Sequence[RunResult], subsets: Sequence[str]) -> list[dict[str, str]]:
    """Returns per subset the AP of the best run, which is that of the last subset, and the limit of the oracle."""
    best = best_run(runs, subsets[-1]) if subsets else None
    if best is None:
        return []
    found = []
    for subset in subsets:
        limit = ceiling(runs, subset)
        found.append(
            {
                "subset": subset,
                "text": percent(best.ap.get(subset, math.nan)),
                "name": best.name if len(runs) > 1 else "",
                "limit": percent(limit.ap[subset]) if limit else "",
            }
        )
    return found


def curve_plots(runs: Sequence[RunResult], subsets: Sequence[str]) -> list[tuple[str, Markup]]:
    """Returns (title, precision over recall of all runs) per subset."""
    return [
        (level.title(), pr_curves([run.counts.get(level, ApCounts.zero()) for run in runs], f"Precision, {level}"))
        for level in subsets
    ]


def sizes(runs: Sequence[RunResult], subsets: Sequence[str]) -> list[tuple[str, Markup]]:
    """Returns (title, AP over the size of the image) of the subsets in which a way has two sizes."""
    found = [(level, ap_by_size(runs, level)) for level in subsets]
    return [(level.title(), size_curves(lines, f"AP over size, {level}")) for level, lines in found if lines]


def timed_runs(runs: Sequence[RunResult]) -> list[tuple[int, str]]:
    """Returns (row, name) of the runs that AP and time are known of, without oracles."""
    return [(place, run.name) for place, run in enumerate(runs) if run.image_ms and not run.ceiling]


def trade_offs(runs: Sequence[RunResult], subsets: Sequence[str]) -> list[dict[str, Any]]:
    """Returns AP against time per subset, with the names on the frontier; empty with less than two timed runs."""
    found = []
    for level in subsets:
        points = [
            Point(place, name, runs[place].image_ms or 0.0, ap)
            for place, name in timed_runs(runs)
            if (ap := runs[place].ap.get(level, math.nan)) == ap
        ]
        if len(points) > 1:
            names = ", ".join(point.name for point in frontier(points))
            plot = trade_off_plot(points, f"AP against time, {level}")
            found.append({"title": level.title(), "plot": plot, "names": names})
    return found


def score_plots(runs: Sequence[RunResult], subset: str) -> list[tuple[str, Markup]]:
    """Returns (run, distribution of its scores) of the first `MOST_DISTRIBUTIONS` runs that are no oracle."""
    shown = [run for run in runs if not run.ceiling and run.counts.get(subset, ApCounts.zero()).proposals[-1]]
    return [(run.name, score_bars(run.counts[subset])) for run in shown[:MOST_DISTRIBUTIONS]]


def training_plots(losses: Mapping[str, Sequence[float]], metrics: Mapping[str, Metric]) -> list[tuple[str, Markup]]:
    """Returns (title, plot) of the loss and of every other number that the trainings logged.

    Every plot has a line for each training of `losses`, so that one legend is for all; a number that a training did
    not log leaves its line empty.
    """
    if not any(len(values) for values in losses.values()):
        return []
    found = [("Loss", loss_curves(losses))]
    names = [name for name, values in losses.items() if len(values)]
    for metric, trainings in metrics.items():
        series = {name: trainings.get(name, ()) for name in names}
        most = max(map(len, series.values()))
        found.append((metric, metric_curves(series, metric, "", smooth=most > MOST_UNSMOOTHED)))
    return found


def protocol_lines(run: RunResult) -> list[tuple[str, str]]:
    """Returns (caption, value) of detector, canvas and protocol of a run, as far as there is something to say."""
    own = [("Detector", run.detector), ("Canvas", run.canvas)]
    lines = [(_WORDS.get(key, _caption(key)), plain(value)) for key, value in run.protocol.items()]
    return [(caption, text) for caption, text in (*own, *lines) if text]


def _caption(key: str) -> str:
    """Returns an entry's own name as the others are written."""
    return key[:1].upper() + key[1:].replace("_", " ")


def split_protocol(runs: list[list[tuple[str, str]]]) -> tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]:
    """Returns the lines that all runs have in common, and per run the lines that are its own."""
    shared = [line for line in runs[0] if all(line in other for other in runs)] if runs else []
    return shared, [[line for line in lines if line not in shared] for lines in runs]


def plain(value: Any) -> str:
    """Returns a plain value as a page shows it."""
    if value is None:
        return "not applied"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.7g}"
    return ", ".join(map(plain, value)) if isinstance(value, list | tuple) else str(value)


def scale_views(statistics: FaceStatistics) -> dict[str, Any]:
    """Returns the plots and tables of the scales of faces."""
    most = max((each.share for bins in statistics.scales.values() for each in bins), default=0.0)
    levels = sorted({each.level or 0 for bins in statistics.levels.values() for each in bins})
    spans = {name: {each.level: _span(each) for each in bins} for name, bins in statistics.levels.items()}
    return {
        "histograms": [
            (f"{_SCALES.get(name, f'After {name}')}: {_total(bins)} faces", scale_bars(bins, most))
            for name, bins in statistics.scales.items()
        ],
        "readings": [_SCALES.get(name, name) for name in statistics.levels],
        "ranges": range_bars(statistics.levels) if statistics.levels else "",
        "levels": [(f"p{level}", [spans[name].get(level, "–") for name in spans]) for level in levels],
        "aims": [{"name": name, "sizes": _total(bins), "gap": _gap(bins)} for name, bins in statistics.targets.items()],
        "targets": target_bars(statistics.targets) if statistics.targets else "",
    }


def _total(bins: Sequence[ScaleBin]) -> str:
    return f"{sum(each.count for each in bins):,}"


def _span(each: ScaleBin) -> str:
    return "–" if each.low is None or each.high is None else f"{each.low:.1f}–{each.high:.1f}"


def _gap(bins: Sequence[ScaleBin]) -> str:
    """Returns the largest distance of a share from its closed form, in percentage points; "" where there is none."""
    gaps = [abs(each.share - each.expected) for each in bins if each.expected is not None]
    return f"{100 * max(gaps):.2f}" if gaps else ""
