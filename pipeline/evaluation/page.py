"""One self-contained HTML page about some runs: result, protocol, tables, curves, photographs, times, provenance.

The page asks the network for nothing, follows the reader's light or dark setting and can be read without its script;
with it, curves are read at the cursor and photographs filtered. It is below `PAGE_BYTES`: photographs that do not fit
any more are left out, and the page says how many. Equal input gives equal bytes. Templates, styles and scripts are
the files of `page_parts`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from pipeline.data.schemas import LEVELS
from pipeline.evaluation import page_views
from pipeline.evaluation.face_statistics import FaceStatistics
from pipeline.evaluation.headline import sentence
from pipeline.evaluation.hits_and_misses import SizeHistogram
from pipeline.evaluation.photographs import GalleryItem, gallery_json, jpeg_text, most_marks
from pipeline.evaluation.plot_frame import COLOURS, Figure
from pipeline.evaluation.plots import box_path, size_bars
from pipeline.evaluation.result_table import ResultTable, percent
from pipeline.evaluation.run_result import RunResult, ap_by_size

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_BYTES: Final = 3_000_000
"""A page is smaller: it is sent by mail and opened on phones."""
_PARTS: Final = Path(__file__).parent / "page_parts"


@dataclass(frozen=True, slots=True)
class Timing:
    """One line of the timings.

    Attributes:
        stage: its name.
        seconds: of wall clock.
        images: how many, 0 where that means nothing.
        work: seconds of all workers together, which is what it costs; 0 where not known.
        note: below the name.
    """

    stage: str
    seconds: float
    images: int = 0
    note: str = ""
    work: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """A run whose detections the gallery shows.

    Attributes:
        name: of the run.
        score: raw score from which on its detections are drawn at first.
        low, high: ends of the scores that a reader may choose.
    """

    name: str
    score: float
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """What an output was made by: its node, fingerprint, and (caption, value) of its stage, config and versions."""

    node: str
    fingerprint: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PageData:
    """Everything a page shows; empty parts are left out.

    Attributes:
        summary: one or two sentences under the title, after the result.
        gallery: worst first, with faces of `gallery_subset`.
        gallery_score: raw score from which on the first run's detections are drawn.
        views: the runs of the gallery's photographs, in the order of `GalleryItem.runs`.
        losses: name of a training -> loss per logged step.
        metrics: what else the trainings logged: name -> training -> (step, value).
        errors: one line each: images that failed, problems of the input.
        accuracies: (name, of neighbours, of near pairs, of all pairs), shares in the right order, NaN without pairs.
        commands: as typed, one line each.
        gallery_note: what the gallery shows, where it is not the images with most mistakes of the first run.
        figures: further plots, each under its own title.
        tables: further figures in numbers, likewise.
        sources: provenance of every output that led to the page.
    """

    title: str
    summary: str = ""
    runs: Sequence[RunResult] = ()
    gallery: Sequence[GalleryItem] = ()
    gallery_score: float = 0.5
    gallery_subset: str = "hard"
    views: Sequence[View] = ()
    gallery_note: str = ""
    sizes: SizeHistogram | None = None
    losses: Mapping[str, Sequence[float]] = field(default_factory=dict)
    metrics: Mapping[str, page_views.Metric] = field(default_factory=dict)
    statistics: FaceStatistics | None = None
    timings: Sequence[Timing] = ()
    errors: Sequence[str] = ()
    accuracies: Sequence[tuple[str, float, float, float]] = ()
    commands: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[ResultTable] = ()
    sources: Sequence[Source] = ()


def render_page(data: PageData, most: int = PAGE_BYTES) -> str:
    """Returns the page as HTML text (UTF-8 when written), of less than `most` bytes as far as photographs decide."""
    page = _rendered(_environment(), data)
    shown = len(data.gallery)
    while shown and len(page.encode()) >= most:
        shown -= 1
        page = _rendered(_environment(), replace(data, gallery=data.gallery[:shown]), len(data.gallery) - shown)
    return page


@functools.cache
def _environment() -> Environment:
    """Returns what compiles the parts of a page, and keeps them compiled."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 0.1 s that an evaluation without a page saves

    loader = FileSystemLoader(_PARTS, encoding="utf-8")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _rendered(environment: Environment, data: PageData, left_out: int = 0) -> str:
    subsets = [level for level in LEVELS if any(level in run.ap for run in data.runs)]
    shared, own = page_views.split_protocol([page_views.protocol_lines(run) for run in data.runs])
    page: str = environment.get_template("page.html.j2").render(
        data=data,
        source=_source,
        breakable=_breakable,
        legend=lambda names: list(enumerate(names)),
        colours=COLOURS,
        subsets=subsets,
        headline=sentence(data.runs, subsets),
        rows=page_views.ap_rows(data.runs, subsets),
        tiles=page_views.tiles(data.runs, subsets),
        curves=page_views.curve_plots(data.runs, subsets),
        trade_offs=page_views.trade_offs(data.runs, subsets),
        timed_runs=page_views.timed_runs(data.runs),
        by_size=page_views.sizes(data.runs, subsets),
        ways=list(ap_by_size(data.runs, subsets[-1])) if subsets else [],
        accuracies=[(name, [percent(share) for share in shares]) for name, *shares in data.accuracies],
        timed=any(each is not None for run in data.runs for each in run.ms),
        shared=shared,
        protocols=[(run, lines) for run, lines in zip(data.runs, own, strict=True) if lines],
        photographs=[_photograph(item) for item in data.gallery],
        marks=_marks(data),
        events=_events(data.gallery),
        left_out=left_out,
        most_marks=most_marks(len(data.views)),
        labelled=bool(subsets) or not data.runs,
        bars=size_bars(data.sizes) if data.sizes else "",
        distributions=page_views.score_plots(data.runs, subsets[-1]) if subsets else [],
        training=page_views.training_plots(data.losses, data.metrics),
        trained=[name for name, values in data.losses.items() if len(values)],
        scales=page_views.scale_views(data.statistics) if data.statistics else None,
        timings=[_timing(timing, max(other.seconds for other in data.timings)) for timing in data.timings],
    )
    return page


def _source(name: str) -> Markup:
    """Returns a style sheet or script as it is written."""
    return Markup((_PARTS / name).read_text(encoding="utf-8"))


def _timing(timing: Timing, slowest: float) -> dict[str, Any]:
    rate = timing.images / timing.seconds if timing.images and timing.seconds > 0 else 0.0
    return {
        "stage": timing.stage,
        "note": timing.note,
        "seconds": f"{timing.seconds:,.1f}",
        "work": f"{timing.work:,.1f}" if timing.work else "–",
        "each": f"{1000 * timing.work / timing.images:,.1f}" if timing.work and timing.images else "–",
        "rate": (f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}") if rate else "–",
        "share": f"{100 * timing.seconds / slowest:.1f}" if slowest else "0",
    }


def _breakable(text: str) -> Markup:
    """Returns a text whose long names may break after each slash and underscore."""
    return Markup(str(escape(text)).replace("/", "/<wbr>").replace("_", "_<wbr>"))


def _event(item: GalleryItem) -> str:
    """Returns the folder of an image, which is its event in WIDER FACE; "" without one."""
    return item.matches.image_id.rpartition("/")[0]


def _events(gallery: Sequence[GalleryItem]) -> list[str]:
    """Returns the events to choose from, empty where there is only one."""
    events = sorted({_event(item) for item in gallery} - {""})
    return events if len(events) > 1 else []


def _marks(data: PageData) -> dict[str, Any]:
    known = [{"name": each.name, "score": each.score, "low": each.low, "high": each.high} for each in data.views]
    return {"views": known, "images": [gallery_json(item) for item in data.gallery]}


def _photograph(item: GalleryItem) -> dict[str, Any]:
    boxes = {"hit": item.matches.hits, "miss": item.matches.misses, "alarm": item.matches.false_alarms}
    return {
        "matches": item.matches,
        "event": _event(item),
        "jpeg": jpeg_text(item),
        "layers": [(kind, box_path(each)) for kind, each in boxes.items()],
    }
