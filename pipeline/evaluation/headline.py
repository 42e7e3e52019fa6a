"""What a page says first: the best result of the runs, and apart from it the limit that an oracle sets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.evaluation.result_table import percent
from pipeline.evaluation.run_result import RunResult


def best_run(runs: Sequence[RunResult], subset: str) -> RunResult | None:
    """Returns the run of highest AP in a subset, without oracles, which know the faces; None where none has an AP."""
    return _highest([run for run in runs if not run.ceiling], subset)


def ceiling(runs: Sequence[RunResult], subset: str) -> RunResult | None:
    """Returns the oracle of highest AP in a subset; None without one."""
    return _highest([run for run in runs if run.ceiling], subset)


def sentence(runs: Sequence[RunResult], subsets: Sequence[str]) -> str:
    """Returns the result in a sentence or two: the best run by the last subset, what it gains, the oracle's limit.

    "" where no run has an AP.
    """
    if not subsets or (best := best_run(runs, subsets[-1])) is None:
        return ""
    hardest = subsets[-1]
    figures = " / ".join(percent(best.ap.get(subset, math.nan)) for subset in subsets)
    text = f"{best.name} reaches an AP of {figures} ({' / '.join(subsets)})"
    if best.image_ms is not None:
        text += f" in {best.image_ms:,.0f} ms an image"
    # Another seed of the same is no rival, unless there is nothing else.
    kind = (best.detector, best.canvas, best.way)
    others = [run for run in runs if (run.detector, run.canvas, run.way) != kind]
    if best_run(others, hardest) is None:
        others = [run for run in runs if run is not best]
    if (second := best_run(others, hardest)) is not None:
        ahead = f"{100 * (best.ap[hardest] - second.ap[hardest]):.2f}"
        text += f", level with {second.name}" if ahead == "0.00" else f", {ahead} points more than {second.name}"
        text += f" on {hardest}"
    text += "."
    if (limit := ceiling(runs, hardest)) is not None:
        reached = f"is at {percent(limit.ap[hardest])} on {hardest}"
        text += f" The oracle {limit.name}, no result but the limit of its boxes, {reached}."
    return text


def _highest(runs: Sequence[RunResult], subset: str) -> RunResult | None:
    ranked = [run for run in runs if not math.isnan(run.ap.get(subset, math.nan))]
    return max(ranked, key=lambda run: run.ap[subset], default=None)
