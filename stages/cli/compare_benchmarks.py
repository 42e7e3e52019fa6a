"""compare, of two results of a benchmark: figures beside each other, what differs in config or protocol, curves."""

from __future__ import annotations

import json as json_text
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pipeline.evaluation.result_table import ResultTable
    from stages.stored_evaluation import StoredBenchmark

_HEAD = 4096  # bytes of a file that are read to see what it is
WIDTH = 100  # characters of a line of what is printed
_COUNTS = ("images", "faces")
OTHER_FACES = "They are of other images or faces, and do not compare."
NO_TEST = "No interval and no test of chance: the stored counts are of all images together."


@dataclass(frozen=True, slots=True)
class BenchmarkFile:
    """What `wider8k evaluate --benchmark NAME --json FILE` wrote.

    Attributes:
        path: of the file.
    """

    path: Path

    def content(self) -> dict[str, Any]:
        """Returns the figures, as `BenchmarkResult.content`. Raises ValueError: the file has none of a benchmark."""
        from pipeline.evaluation.benchmark_results import TITLES

        try:
            found: dict[str, Any] = json_text.loads(self.path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{self.path}: expected the --json of an evaluation, found that {error}") from None
        protocol = found.get("protocol") if isinstance(found, dict) else None
        if not isinstance(protocol, dict) or protocol.get("benchmark") not in TITLES.values():
            known = ", ".join(TITLES.values())
            raise ValueError(
                f"{self.path}: protocol.benchmark: expected one of {known}: evaluate --benchmark writes it"
            )
        return found

    def config(self) -> dict[str, Any]:
        """Returns the protocol, which is all that is known of how the figures came about."""
        return {"protocol": self.content()["protocol"]}


Result: TypeAlias = "StoredBenchmark | BenchmarkFile"


def is_benchmark_file(run: str) -> bool:
    """Returns whether a path is a file with a JSON object, as no form of predictions is one."""
    file = Path(run)
    if file.suffix.lower() != ".json" or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def compare_benchmarks(
    runs: tuple[Result, Result],
    names: tuple[str, str],
    given: Sequence[str],
    json: Path | None,
    report: Path | None,
) -> None:
    """Prints the figures of two results, their difference, and what differs in the config; writes the files.

    Args:
        runs: results of one benchmark.
        names: as they are shown.
        given: options that are for predictions.
        json: gets all figures with all digits, and the differences of the config.
        report: gets the page.

    Raises ValueError: they are of different benchmarks, or options for predictions are given.
    """
    from pipeline.engine.fingerprint import difference
    from pipeline.engine.redaction import without_keys
    from pipeline.evaluation.benchmark_tables import headline, joined_figures
    from pipeline.evaluation.page import PageData, render_page

    if given:
        raise ValueError(f"{', '.join(given)}: expected with predictions only, found results of a benchmark")
    contents = [each.content() for each in runs]
    titles = [each["protocol"]["benchmark"] for each in contents]
    if titles[0] != titles[1]:
        raise ValueError(f"{names[0]} is of {titles[0]} and {names[1]} of {titles[1]}: their figures do not compare")
    figures = _of_both([headline(each) for each in contents])
    alike = type(runs[0]) is type(runs[1])
    configs = [
        run.config() if alike else {"protocol": each["protocol"]} for run, each in zip(runs, contents, strict=True)
    ]
    config = difference(configs[0], configs[1])
    tables = _tables(names, titles[0], contents, figures, config)
    same = all(contents[0][name] == contents[1][name] for name in _COUNTS)
    note = NO_TEST if same else OTHER_FACES
    summary = f"{names[1]} against {names[0]} on {titles[0]}: {_first(figures)}. {note}"
    print(summary)
    for table in tables:
        print(f"\n{table.text(WIDTH)}")
    if json:
        shown = {name: {"a": _plain(figures[0][name]), "b": _plain(figures[1][name])} for name in figures[0]}
        changes = [{"field": name, "a": a, "b": b} for name, a, b in config]
        content = {"runs": list(names), "benchmark": titles[0], "figures": shown, "config": changes}
        json.write_text(json_text.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        print(f"all digits: {json}")
    if report:
        typed = shlex.join(["wider8k", *map(without_keys, sys.argv[1:])])
        plots = joined_figures(dict(zip(names, contents, strict=True)))
        data = PageData(f"{names[0]} and {names[1]}", summary, tables=tables, figures=plots, commands=[typed])
        report.write_text(render_page(data), encoding="utf-8")
        print(f"page: {report}")


def _tables(
    names: tuple[str, str],
    title: str,
    contents: Sequence[Mapping[str, Any]],
    figures: Sequence[Mapping[str, float]],
    config: Sequence[tuple[str, Any, Any]],
) -> list[ResultTable]:
    from pipeline.evaluation.config_difference import config_table
    from pipeline.evaluation.result_table import ResultTable, percent

    rows = [
        (name, percent(a), percent(figures[1][name]), percent(figures[1][name] - a, sign=True))
        for name, a in figures[0].items()
    ]
    counts = [(name, *(f"{each[name]:,}" for each in contents), "") for name in _COUNTS]
    tables = [ResultTable(title, ("", *names, "difference"), [*rows, *counts], "Figures in per cent.")]
    return [*tables, config_table(names, config)] if config else tables


def _of_both(figures: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Returns the figures that both results have: COCO names recall after the number of detections that count."""
    return [{name: value for name, value in each.items() if all(name in one for one in figures)} for each in figures]


def _first(figures: Sequence[Mapping[str, float]]) -> str:
    """Returns the first figure of both and their difference, in words."""
    name = next(iter(figures[0]))
    a, b = (100 * each[name] for each in figures)
    return f"{name} {a:.2f} to {b:.2f} ({b - a:+.2f})"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
