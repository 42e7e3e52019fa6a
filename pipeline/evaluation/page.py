"""One self-contained HTML page about some runs: protocol, AP table, curves, worst images, face sizes, timings, errors.

The page has no script, asks the network for nothing and follows the reader's light or dark setting. Equal input gives
equal bytes.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from pipeline.data.schemas import LEVELS
from pipeline.evaluation.face_statistics import FaceStatistics, ScaleBin
from pipeline.evaluation.hits_and_misses import GalleryItem, SizeHistogram
from pipeline.evaluation.missing_answers import FAILED, LEFT_OUT, UNREADABLE
from pipeline.evaluation.plots import (
    COLOURS,
    box_path,
    loss_curves,
    pr_curves,
    range_bars,
    scale_bars,
    size_bars,
    size_curves,
    target_bars,
)
from pipeline.evaluation.result_table import ResultTable
from pipeline.evaluation.run_result import RunResult, ap_by_size
from pipeline.evaluation.wider_ap import ApCounts

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


@dataclass(frozen=True, slots=True)
class Timing:
    """One line of the timings: seconds of wall clock, and how many images (0 where that means nothing)."""

    stage: str
    seconds: float
    images: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot of several lines: its title, the SVG, the lines' names and a sentence on what is shown."""

    title: str
    plot: Markup
    names: Sequence[str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class PageData:
    """Everything a page shows; empty parts are left out.

    Attributes:
        summary: one or two sentences under the title.
        gallery: worst first, with faces of `gallery_subset` and detections from `gallery_score` on, of `gallery_run`.
        gallery_note: what the gallery shows, where it is not the images with most mistakes of one run.
        losses: name of a training -> loss per logged step.
        errors: one line each: images that failed, problems of the input.
        accuracies: (name, of neighbours, of near pairs, of all pairs), shares in the right order, NaN without pairs.
        commands: as typed, one line each.
        figures: further plots, each under its own title.
        tables: further figures in numbers, likewise.
    """

    title: str
    summary: str = ""
    runs: Sequence[RunResult] = ()
    gallery: Sequence[GalleryItem] = ()
    gallery_score: float = 0.5
    gallery_subset: str = "hard"
    gallery_run: str = ""
    gallery_note: str = ""
    sizes: SizeHistogram | None = None
    losses: Mapping[str, Sequence[float]] = field(default_factory=dict)
    statistics: FaceStatistics | None = None
    timings: Sequence[Timing] = ()
    errors: Sequence[str] = ()
    accuracies: Sequence[tuple[str, float, float, float]] = ()
    commands: Sequence[str] = ()
    tables: Sequence[ResultTable] = ()
    figures: Sequence[Figure] = ()


def render_page(data: PageData) -> str:
    """Returns the page as HTML text (UTF-8 when written)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 0.1 s that an evaluation without a page saves

    loader = FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    subsets = [level for level in LEVELS if any(level in run.ap for run in data.runs)]
    shared, own = _split_protocol([_protocol(run) for run in data.runs])
    page: str = environment.get_template("page.html.j2").render(
        data=data,
        colours=COLOURS,
        subsets=subsets,
        rows=[_row(run, data.runs, subsets) for run in data.runs],
        best=[_best(data.runs, subset) for subset in subsets],
        curves=[
            (level.title(), pr_curves([run.counts.get(level, ApCounts.zero()) for run in data.runs], level))
            for level in subsets
        ],
        by_size=[
            (level.title(), size_curves(lines, level)) for level in subsets if (lines := ap_by_size(data.runs, level))
        ],
        ways=list(ap_by_size(data.runs, subsets[-1])) if subsets else [],
        accuracies=[(name, [_percent(share) for share in shares]) for name, *shares in data.accuracies],
        timed=any(each is not None for run in data.runs for each in run.ms),
        shared=shared,
        protocols=[(run, lines) for run, lines in zip(data.runs, own, strict=True) if lines],
        images=[_image(item) for item in data.gallery],
        bars=size_bars(data.sizes) if data.sizes else "",
        loss=loss_curves(data.losses) if data.losses else "",
        trained=[name for name, values in data.losses.items() if len(values)],
        scales=_scales(data.statistics) if data.statistics else None,
        timings=[_timing(timing, max(other.seconds for other in data.timings)) for timing in data.timings],
    )
    return page


def _row(run: RunResult, runs: Sequence[RunResult], subsets: Sequence[str]) -> dict[str, Any]:
    cells = []
    for subset in subsets:
        value = run.ap.get(subset, math.nan)
        # A run without an AP neither leads nor keeps another one from it.
        leads = len(runs) > 1 and value == max(
            (ap for other in runs if (ap := other.ap.get(subset, -1)) == ap), default=-1
        )
        cells.append({"text": _percent(value), "digits": repr(float(value)), "leads": leads})
    return {"run": run, "cells": cells, "ms": ["–" if each is None else f"{each:,.1f}" for each in run.ms]}


def _best(runs: Sequence[RunResult], subset: str) -> dict[str, str]:
    ranked = [run for run in runs if not math.isnan(run.ap.get(subset, math.nan))]
    if not ranked:
        return {"subset": subset, "text": "–", "name": ""}
    run = max(ranked, key=lambda candidate: candidate.ap[subset])
    return {"subset": subset, "text": _percent(run.ap[subset]), "name": run.name if len(runs) > 1 else ""}


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.2f}"


def _protocol(run: RunResult) -> list[tuple[str, str]]:
    own = [("Detector", run.detector), ("Canvas", run.canvas)]
    lines = [(_WORDS.get(key, key.replace("_", " ")), _plain(value)) for key, value in run.protocol.items()]
    return [(caption, text) for caption, text in (*own, *lines) if text]


def _split_protocol(runs: list[list[tuple[str, str]]]) -> tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]:
    """Returns the lines that all runs have in common, and per run the lines that are its own."""
    shared = [line for line in runs[0] if all(line in other for other in runs)] if runs else []
    return shared, [[line for line in lines if line not in shared] for lines in runs]


def _plain(value: Any) -> str:
    if value is None:
        return "not applied"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.7g}"
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _scales(statistics: FaceStatistics) -> dict[str, Any]:
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


def _timing(timing: Timing, slowest: float) -> dict[str, Any]:
    rate = timing.images / timing.seconds if timing.images and timing.seconds > 0 else 0.0
    return {
        "stage": timing.stage,
        "note": timing.note,
        "seconds": f"{timing.seconds:,.1f}",
        "rate": (f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}") if rate else "–",
        "share": f"{100 * timing.seconds / slowest:.1f}" if slowest else "0",
    }


def _breakable(name: str) -> Markup:
    """Returns a long file name that may break after each slash and underscore."""
    return Markup(str(escape(name)).replace("/", "/<wbr>").replace("_", "_<wbr>"))


def _image(item: GalleryItem) -> dict[str, Any]:
    boxes = {"hit": item.matches.hits, "miss": item.matches.misses, "alarm": item.matches.false_alarms}
    return {
        "matches": item.matches,
        "name": _breakable(item.matches.image_id),
        "jpeg": base64.b64encode(item.jpeg).decode("ascii"),
        "layers": [(kind, box_path(each)) for kind, each in boxes.items()],
    }
