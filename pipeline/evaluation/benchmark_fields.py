"""Which benchmarks use what may be chosen about an evaluation: one list for the command line and for the stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Final

from pipeline.evaluation.benchmarks import BENCHMARKS
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.metrics import METRICS

_OF_WIDER: Final = ("ground_truth", "images", "nms", *METRICS, "details", "reading", "unreadable")
_USES: Final = {"wider": ("category", "score"), **{name: kind.uses for name, kind in BENCHMARKS.items()}}

USED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    **{
        each.name: tuple(benchmark for benchmark, uses in _USES.items() if each.name in uses)
        for each in fields(BenchmarkOptions)
        if each.name != "given"
    },
    **dict.fromkeys(_OF_WIDER, ("wider",)),
}
"""Option -> the benchmarks that use it; all of them use an option that is not named here."""


def unused(benchmark: str, chosen: Iterable[str]) -> tuple[list[str], tuple[str, ...]] | None:
    """Returns chosen options that a benchmark does not use, and the benchmarks that use these; None without any.

    Where they are used by different benchmarks, those of the first one's are returned.
    """
    wrong = [name for name in chosen if benchmark not in USED_BY.get(name, (benchmark,))]
    if not wrong:
        return None
    users = USED_BY[wrong[0]]
    return [name for name in wrong if USED_BY[name] == users], users
