"""compare, of two results of a benchmark: figures beside each other, what differs in config or protocol, curves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from stages.cli.outputs import Outputs, typed_command

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
        from pipeline.evaluation.benchmarks import TITLES

        try:
            found: dict[str, Any] = json.loads(self.path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{self.path}: expected the --json of an evaluation, found that {error}") from None
        protocol = found.get("protocol") if isinstance(found, dict) else None
        if not isinstance(protocol, dict) or protocol.get("benchmark") not in TITLES:
            known = ", ".join(TITLES)
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
    runs: tuple[Result, Result], names: tuple[str, str], given: Sequence[str], outputs: Outputs
) -> None:
    """Prints the figures of two results, their difference, and what differs in the config; writes the files.

    Args:
        runs: results of one benchmark.
        names: as they are shown.
        given: options that are for predictions.
        outputs: get all figures with all digits and the differences of the config, and the page.

    Raises ValueError: they are of different benchmarks, or options for predictions are given.
    """
    if given:
        raise ValueError(f"{', '.join(given)}: expected with predictions only, found results of a benchmark")
    found = _Comparison.of(runs, names)
    print(found.summary)
    for table in found.tables():
        print(f"\n{table.text(WIDTH)}")
    outputs.write(found.to_json, found.page)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two results of one benchmark beside each other.

    Attributes:
        names: as they are shown.
        title: of the benchmark.
        contents: all that is known of each.
        figures: of each, name -> value; only names that both have.
        config: field, value of the first and of the second, where they differ.
    """

    names: tuple[str, str]
    title: str
    contents: Sequence[Mapping[str, Any]]
    figures: Sequence[Mapping[str, float]]
    config: Sequence[tuple[str, Any, Any]]

    @classmethod
    def of(cls, runs: tuple[Result, Result], names: tuple[str, str]) -> Self:
        """Raises ValueError: they are of different benchmarks."""
        from pipeline.engine.fingerprint import difference
        from pipeline.evaluation.benchmark_tables import headline

        contents = [each.content() for each in runs]
        titles = [each["protocol"]["benchmark"] for each in contents]
        if titles[0] != titles[1]:
            raise ValueError(
                f"{names[0]} is of {titles[0]} and {names[1]} of {titles[1]}: their figures do not compare"
            )
        alike = type(runs[0]) is type(runs[1])
        configs = [
            run.config() if alike else {"protocol": each["protocol"]} for run, each in zip(runs, contents, strict=True)
        ]
        figures = _of_both([headline(each) for each in contents])
        return cls(names, titles[0], contents, figures, difference(configs[0], configs[1]))

    @property
    def summary(self) -> str:
        same = all(self.contents[0][name] == self.contents[1][name] for name in _COUNTS)
        against = f"{self.names[1]} against {self.names[0]} on {self.title}"
        return f"{against}: {_first(self.figures)}. {NO_TEST if same else OTHER_FACES}"

    def tables(self) -> list[ResultTable]:
        from pipeline.evaluation.config_difference import config_table
        from pipeline.evaluation.result_table import ResultTable, percent

        first, second = self.figures
        rows = [
            (name, percent(a), percent(second[name]), percent(second[name] - a, sign=True)) for name, a in first.items()
        ]
        counts = [(name, *(f"{each[name]:,}" for each in self.contents), "") for name in _COUNTS]
        tables = [ResultTable(self.title, ("", *self.names, "difference"), [*rows, *counts], "Figures in per cent.")]
        return [*tables, config_table(self.names, self.config)] if self.config else tables

    def to_json(self) -> str:
        first, second = self.figures
        figures = {name: {"a": _plain(first[name]), "b": _plain(second[name])} for name in first}
        changes = [{"field": name, "a": a, "b": b} for name, a, b in self.config]
        content = {"runs": list(self.names), "benchmark": self.title, "figures": figures, "config": changes}
        return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"

    def page(self) -> str:
        from pipeline.evaluation.benchmark_tables import joined_figures
        from pipeline.evaluation.page import PageData, render_page

        plots = joined_figures(dict(zip(self.names, self.contents, strict=True)))
        title = f"{self.names[0]} and {self.names[1]}"
        data = PageData(title, self.summary, tables=self.tables(), figures=plots, commands=[typed_command()])
        return render_page(data)


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
