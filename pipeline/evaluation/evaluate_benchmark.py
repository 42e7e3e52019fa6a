"""The benchmarks besides WIDER FACE, from files to figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.evaluation.benchmark_inputs import read_detections
from pipeline.evaluation.benchmarks import BENCHMARKS
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult
from pipeline.evaluation.box_refinement import Fit


def evaluate_benchmark(
    benchmark: str, predictions: Path, labels: Path, options: BenchmarkOptions | None = None
) -> BenchmarkResult:
    """Returns the figures of detections on a benchmark.

    Args:
        benchmark: one of `BENCHMARKS`.
        predictions: of one of `predictions.forms.FORMS`.
        labels: the folder of FDDB's folds; for the others see `labels.reader`.
        options: what may be chosen; those of other benchmarks are not used.

    Raises FileNotFoundError, ValueError: something is missing or malformed; one line that names file, place, expected
    and found.
    """
    whole = BENCHMARKS.find(benchmark).read(labels, options or BenchmarkOptions())
    found = read_detections(predictions, whole.wanted, whole.options.given)
    fits: list[Fit] = []
    for _ in range(whole.rounds):
        fits.append(whole.fit(found.predictions, fits, found.positions))
    counts = whole.count(found.predictions, fits, found.positions)
    result = whole.result(counts, whole.options, {**whole.entries(), "source": found.source})
    problems = {**found.problems, "labels": list(whole.remarks)}
    return replace(result, problems={name: lines for name, lines in problems.items() if lines})
