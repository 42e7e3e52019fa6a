"""evaluate: the exact WIDER FACE AP of predictions on disk, or the figures of another benchmark."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.cli.outputs import require_files

if TYPE_CHECKING:
    from pipeline.evaluation.details import Details
    from pipeline.evaluation.evaluate_files import EvaluationInputs
    from pipeline.evaluation.result_table import ResultTable
    from pipeline.evaluation.wider_ap import Matches
    from pipeline.evaluation.wider_result import WiderResult


def evaluate(
    ctx: typer.Context,
    predictions: Annotated[
        Path,
        typer.Argument(help="Folder or .tar.gz in the WIDER text format, a dump's folder, or the benchmark's form."),
    ],
    ground_truth: Annotated[
        Path | None, typer.Option(help="Folder with wider_face_val.mat and wider_{easy,medium,hard}_val.mat.")
    ] = None,
    benchmark: Annotated[
        str, typer.Option(help="wider, fddb, pascal, afw, coco, or single (one face to an image).")
    ] = "wider",
    labels: Annotated[
        Path | None,
        typer.Option(
            help="fddb: folder of the folds. Others: COCO .json, .mat, .csv, WIDER .txt or a folder of VOC XML."
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="pascal, afw: voc, or face-eval (30 px, boxes shifted and scaled, as published).")
    ] = "voc",
    min_face: Annotated[
        float | None, typer.Option(help="pascal, afw: ignore faces with a smaller side, in pixels.")
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="coco and VOC XML: name of the objects that are faces, where there are several.")
    ] = None,
    max_detections: Annotated[int, typer.Option(help="coco: the best so many of an image.", min=1)] = 100,
    images: Annotated[
        Path | None, typer.Option(help="Evaluate only the images of this list: event/name per line.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write AP with all digits, protocol and counts.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page: figures, curves, problems.")] = None,
    reading: Annotated[str, typer.Option(help="Where the official tools differ: matlab or python.")] = "matlab",
    nms: Annotated[float | None, typer.Option(help="Suppress above this overlap first (for dumps: 0.4).")] = None,
    score: Annotated[
        float | None, typer.Option(help="Drop boxes at or below it first (for dumps: 0.02); single: those that count.")
    ] = None,
    unreadable: Annotated[
        str, typer.Option(help="Images of a dump that could not be read: their faces are missed, or left_out of AP.")
    ] = "missed",
    false_alarms: Annotated[float | None, typer.Option(help="Count boxes from this score on that hit no face.")] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help="Also intervals, error types, recall, oracle, AP by height, event, attribute."),
    ] = False,
    resamples: Annotated[
        int, typer.Option(min=1, help="Resamples of the images for the intervals of --details.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of these resamples.")] = 0,
) -> None:
    """Print easy, medium and hard AP exactly as the benchmark's own tool computes them, or another benchmark's figures.

    Example: wider8k evaluate predictions.tar.gz --ground-truth wider_val_gt --json ap.json

    Example: wider8k evaluate fold-out --benchmark fddb --labels FDDB-folds --json roc.json
    """
    _require_options_of(
        benchmark,
        {
            ("pascal", "afw"): {"--protocol": protocol != "voc", "--min-face": min_face is not None},
            ("pascal", "afw", "coco", "single"): {"--category": category is not None},
            ("coco",): {"--max-detections": max_detections != 100},
            ("wider", "single"): {"--score": score is not None},
            ("wider",): {
                "--ground-truth": ground_truth is not None,
                "--images": images is not None,
                "--nms": nms is not None,
                "--false-alarms": false_alarms is not None,
                "--details": details,
                "--reading": reading != "matlab",
                "--unreadable": unreadable != "missed",
            },
        },
    )
    _require_details(ctx, details)
    if benchmark != "wider":
        files = {"--json": json, "--report": report}
        _other_benchmark(benchmark, predictions, labels, files, (protocol, min_face, category, max_detections, score))
        return
    truth = ground_truth or labels
    if truth is None:
        ctx.fail("Missing option '--ground-truth'.")
    if ground_truth and labels:
        raise ValueError("--ground-truth and --labels are two names of one folder: expected one of them, found both")
    from pipeline.evaluation.evaluate_files import read_inputs
    from pipeline.evaluation.wider_result import require_faces

    require_files({"--json": json, "--report": report}, [predictions, *([images] if images else [])])
    inputs = read_inputs(predictions, truth, images, *_chosen(reading, nms, score, unreadable))
    require_faces(inputs.truth, str(images or truth))
    matches = inputs.matches() if details else None
    result = inputs.evaluate(false_alarms, matches)
    _print_ap(result)
    tables: list[ResultTable] = []
    if matches is not None:
        found = _details(inputs, matches, truth, resamples, seed)
        result, tables = replace(result, details=found.to_json()), found.tables()
        for table in tables:
            print(f"\n{table.text()}")
    if json:
        json.write_text(result.to_json(), encoding="utf-8")
        print(f"all digits: {json}")
    if report:
        _write_page(report, inputs, result, predictions.name, tables)


def _chosen(
    reading: str, nms: float | None, score: float | None, unreadable: str
) -> tuple[Literal["matlab", "python"], float | None, float | None, Literal["left_out", "missed"]]:
    """Returns the options of `read_inputs`; raises ValueError where one is none of its choices."""
    if reading not in ("matlab", "python"):
        raise ValueError(f"--reading {reading}: expected matlab or python")
    if unreadable not in ("left_out", "missed"):
        raise ValueError(f"--unreadable {unreadable}: expected left_out or missed")
    tool: Literal["matlab", "python"] = "python" if reading == "python" else "matlab"
    return tool, nms, score, "left_out" if unreadable == "left_out" else "missed"


def _write_page(
    file: Path, inputs: EvaluationInputs, result: WiderResult, name: str, tables: list[ResultTable]
) -> None:
    from pipeline.evaluation.evaluate_files import report_page

    file.write_text(report_page(inputs, result, name, commands=[_typed()], tables=tables), encoding="utf-8")
    print(f"page: {file}")


def _typed() -> str:
    """Returns the command as it was typed, without keys."""
    from pipeline.engine.redaction import without_keys

    return shlex.join(["wider8k", *map(without_keys, sys.argv[1:])])


def _print_ap(result: WiderResult) -> None:
    """Prints AP and false alarms; on the error stream, subsets without faces and problems."""
    from pipeline.evaluation.wider_result import subsets_without_faces

    if line := subsets_without_faces({subset: counts.faces for subset, counts in result.counts.items()}):
        print(line, file=sys.stderr)
    _print_problems(result.problems)
    for subset, value in result.ap.items():
        shown = "     –" if math.isnan(value) else f"{100 * value:6.2f}"
        print(f"{subset:<7}{shown}  ({result.counts[subset].faces} faces)")
    if result.false_alarms:
        alarms, faces = result.false_alarms, result.counts["hard"].faces
        print(f"{alarms.alarms} false alarms at score {alarms.score:g}, {alarms.found['hard']} of {faces} faces found")


def _details(inputs: EvaluationInputs, matches: Matches, ground_truth: Path, resamples: int, seed: int) -> Details:
    from pipeline.data.datasets.wider_face.mat_annotation import read_attributes
    from pipeline.evaluation.details import details_of

    names = inputs.truth.image_ids
    return details_of(matches, names, read_attributes(ground_truth, names), resamples, seed)


def _require_options_of(benchmark: str, given: Mapping[tuple[str, ...], Mapping[str, bool]]) -> None:
    """Raises ValueError where an option is given that the benchmark does not use; keys are those that use them."""
    for benchmarks, options in given.items():
        named = [option for option, present in options.items() if present]
        if named and benchmark not in benchmarks:
            only = " or ".join(benchmarks)
            raise ValueError(f"{', '.join(named)}: expected with --benchmark {only} only, found {benchmark}")


def _require_details(ctx: typer.Context, details: bool) -> None:
    """Raises ValueError where an option of the intervals is given, even at its default, and `--details` is not."""
    given = [f"--{name}" for name in ("resamples", "seed") if _is_typed(ctx, name)]
    if given and not details:
        raise ValueError(f"{', '.join(given)}: expected with --details only, found no --details")


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _other_benchmark(
    benchmark: str,
    predictions: Path,
    labels: Path | None,
    files: Mapping[str, Path | None],
    chosen: tuple[str, float | None, str | None, int, float | None],
) -> None:
    """Prints the figures of a benchmark other than WIDER FACE, and writes its files.

    Args:
        benchmark: its name as typed.
        predictions: see `benchmark_inputs`.
        labels: see `evaluate_benchmark`.
        files: `--json` and `--report`.
        chosen: the fields of `BenchmarkOptions`.
    """
    from pipeline.evaluation.benchmark_results import BENCHMARKS
    from pipeline.evaluation.benchmarks import BenchmarkOptions, evaluate_benchmark

    known = next((each for each in BENCHMARKS if each == benchmark), None)
    if known is None:
        raise ValueError(f"--benchmark {benchmark}: expected wider, {', '.join(BENCHMARKS)}")
    if labels is None:
        raise ValueError(f"--benchmark {benchmark} needs --labels, found none")
    require_files(files, [predictions, labels])
    result = evaluate_benchmark(known, predictions, labels, BenchmarkOptions(*chosen))
    _print_problems(result.problems)
    for line in result.lines:
        print(line)
    if json := files["--json"]:
        json.write_text(result.to_json(), encoding="utf-8")
        print(f"all digits: {json}")
    if page := files["--report"]:
        from pipeline.evaluation.benchmark_page import benchmark_page

        page.write_text(benchmark_page(result, predictions.name, commands=[_typed()]), encoding="utf-8")
        print(f"page: {page}")


def _print_problems(problems: Mapping[str, list[str]]) -> None:
    for name, lines in problems.items():
        shown = ", ".join(lines[:5]) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
        print(f"{name}: {len(lines)}: {shown}", file=sys.stderr)
