"""evaluate: the AP of predictions of any form, by WIDER FACE's rule or another benchmark's."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from stages.cli.evaluation_options import (
    Benchmark,
    GroundTruth,
    Images,
    Json,
    Labels,
    MaxDetections,
    MinFace,
    Nms,
    Protocol,
    ReadingOption,
    Report,
    Resamples,
    Score,
    Seed,
    Truth,
    Unreadable,
    WithDetails,
    chosen_reading,
    require_details,
    require_options_of,
)
from stages.cli.metric_options import with_metric_options
from stages.cli.outputs import Outputs, typed_command
from stages.cli.predictions import CategoryOption, ClassOption, FormOption, ImageFolderOption, Predictions

if TYPE_CHECKING:
    from pipeline.data.predictions.matching import GivenPredictions
    from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
    from pipeline.evaluation.details import Details
    from pipeline.evaluation.evaluate_files import EvaluationInputs
    from pipeline.evaluation.result_table import ResultTable
    from pipeline.evaluation.wider_ap import Matches
    from pipeline.evaluation.wider_result import WiderResult


@with_metric_options(before="details")
def evaluate(
    ctx: typer.Context,
    predictions: Predictions,
    ground_truth: GroundTruth = None,
    labels: Labels = None,
    benchmark: Benchmark = "wider",
    form: FormOption = None,
    class_name: ClassOption = None,
    image_folder: ImageFolderOption = None,
    category: CategoryOption = None,
    protocol: Protocol = "voc",
    min_face: MinFace = None,
    max_detections: MaxDetections = 100,
    images: Images = None,
    json: Json = None,
    report: Report = None,
    reading: ReadingOption = "matlab",
    nms: Nms = None,
    score: Score = None,
    unreadable: Unreadable = "missed",
    details: WithDetails = False,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    **metrics: Any,
) -> None:
    """Print easy, medium and hard AP exactly as the benchmark's own tool computes them, or AP on your own labels.

    `--benchmark` takes another benchmark's rule.

    Example: wider8k evaluate predictions.tar.gz --ground-truth wider_val_gt --json ap.json

    Example: wider8k evaluate results.json --labels labels.csv

    Example: wider8k evaluate fold-out --benchmark fddb --labels FDDB-folds --json roc.json
    """
    from pipeline.data.predictions.matching import GivenPredictions

    require_options_of(ctx, benchmark)
    require_details(ctx, details)
    given = GivenPredictions(form, class_name, image_folder)
    outputs = Outputs(json, report)
    if benchmark != "wider":
        from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions

        chosen = BenchmarkOptions(protocol, min_face, category, max_detections, given, score)
        _other_benchmark(benchmark, predictions, labels, outputs, chosen)
        return
    truth = _one_truth(ctx, ground_truth, labels, category, details)
    outputs.require([predictions, *([images] if images else [])])
    inputs = _read(predictions, truth, images, *chosen_reading(reading, nms, score, unreadable), given)
    intervals = _Details(resamples, seed) if details else None
    _print_and_write(inputs, truth, predictions.name, outputs, metrics, intervals)


@dataclass(frozen=True, slots=True)
class _Details:
    """What `--details` computes intervals from."""

    resamples: int
    seed: int


def _one_truth(
    ctx: typer.Context, ground_truth: Path | None, labels: Path | None, category: str | None, details: bool
) -> Truth:
    """Returns what the two options name; raises ValueError where they are two, or do not go together."""
    truth = Truth.of(ground_truth, labels, category)
    if truth is None:
        ctx.fail(
            "Missing option '--ground-truth' or '--labels': the folder of WIDER FACE's four .mat files, or labels of "
            "your own in any form, which wider8k dataset inspect recognises."
        )
    if details and not truth.official:
        raise ValueError("--details: expected with the official .mat files only, found --labels of your own")
    return truth


def _read(
    predictions: Path,
    truth: Truth,
    images: Path | None,
    reading: Literal["matlab", "python"],
    nms: float | None,
    score: float | None,
    unreadable: Literal["left_out", "missed"],
    given: GivenPredictions,
) -> EvaluationInputs:
    from pipeline.evaluation.evaluate_files import read_inputs
    from pipeline.evaluation.wider_result import require_faces

    inputs = read_inputs(predictions, truth.faces(), images, reading, nms, score, unreadable, given)
    require_faces(inputs.truth, str(images or truth.path))
    return inputs


def _print_and_write(
    inputs: EvaluationInputs,
    truth: Truth,
    name: str,
    outputs: Outputs,
    metrics: Mapping[str, Any],
    details: _Details | None,
) -> None:
    """Prints AP and what else is asked for, and writes the files; ``name`` is that of the predictions."""
    from pipeline.evaluation.evaluate_files import report_page

    matches = inputs.matches() if details else None
    result = inputs.evaluate(metrics, matches)
    if not truth.official:
        print(_rule(inputs))
    _print_ap(result)
    tables: list[ResultTable] = []
    if details and matches is not None:
        found = _details(inputs, matches, truth.path, details)
        result, tables = replace(result, details=found.to_json()), found.tables()
        for table in tables:
            print(f"\n{table.text()}")
    outputs.write(result.to_json, lambda: report_page(inputs, result, name, commands=[typed_command()], tables=tables))


def _rule(inputs: EvaluationInputs) -> str:
    """Returns the rule of an AP on labels of one's own, in one line."""
    read = f"{inputs.protocol['source']} against {inputs.protocol['labels']}"
    return f"{read}, by WIDER FACE's rule at IoU 0.5 (--benchmark pascal and coco take theirs)"


def _print_ap(result: WiderResult) -> None:
    """Prints AP and metrics; on the error stream, subsets without faces and problems."""
    from pipeline.evaluation.wider_result import subsets_without_faces

    if line := subsets_without_faces({subset: counts.faces for subset, counts in result.counts.items()}):
        print(line, file=sys.stderr)
    _print_problems(result.problems)
    for subset, value in result.ap.items():
        shown = "     –" if math.isnan(value) else f"{100 * value:6.2f}"
        print(f"{subset:<7}{shown}  ({result.counts[subset].faces} faces)")
    subset, last = list(result.counts.items())[-1]
    for metric in result.metrics.values():
        print(metric.line(subset, last.faces))


def _details(inputs: EvaluationInputs, matches: Matches, ground_truth: Path, asked: _Details) -> Details:
    from pipeline.data.datasets.wider_face.mat_annotation import read_attributes
    from pipeline.evaluation.details import details_of

    names = inputs.truth.image_ids
    return details_of(matches, names, read_attributes(ground_truth, names), asked.resamples, asked.seed)


def _other_benchmark(
    benchmark: str,
    predictions: Path,
    labels: Path | None,
    outputs: Outputs,
    options: BenchmarkOptions,
) -> None:
    """Prints the figures of a benchmark other than WIDER FACE, and writes its files.

    Args:
        benchmark: its name as typed.
        predictions: of one of `predictions.forms.FORMS`.
        labels: see `evaluate_benchmark`.
        outputs: its files.
        options: what may be chosen about it.
    """
    from pipeline.evaluation.benchmarks import BENCHMARKS
    from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark

    if benchmark not in BENCHMARKS:
        raise ValueError(f"--benchmark {benchmark}: expected wider, {', '.join(BENCHMARKS)}")
    if labels is None:
        raise ValueError(f"--benchmark {benchmark} needs --labels, found none")
    outputs.require([predictions, labels])
    result = evaluate_benchmark(benchmark, predictions, labels, options)
    _print_problems(result.problems)
    for line in result.lines:
        print(line)

    def page() -> str:
        from pipeline.evaluation.benchmark_page import benchmark_page

        return benchmark_page(result, predictions.name, commands=[typed_command()])

    outputs.write(result.to_json, page)


def _print_problems(problems: Mapping[str, list[str]]) -> None:
    for name, lines in problems.items():
        shown = ", ".join(lines[:5]) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
        print(f"{name}: {len(lines)}: {shown}", file=sys.stderr)
