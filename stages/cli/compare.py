"""compare: two runs, sets of predictions or results of a benchmark; the first two with intervals and a paired test."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from stages.cli.compare_benchmarks import Result, compare_benchmarks, find_result
from stages.cli.outputs import require_files

if TYPE_CHECKING:
    from pipeline.evaluation.run_comparison import ComparedRun

_RUN = (
    "Predictions of any form, or a finished run: its store, or the folder of an evaluation or a benchmark in it, or "
    "what evaluate --benchmark wrote as --json."
)


def compare(
    run_a: Annotated[str, typer.Argument(help=_RUN)],
    run_b: Annotated[str, typer.Argument(help="Likewise; differences are this one minus the first.")],
    ground_truth: Annotated[
        Path | None, typer.Option(help="For predictions: folder with the four official .mat files.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="For predictions: only the images of this list, event/name per line.")
    ] = None,
    nms: Annotated[float | None, typer.Option(help="For predictions: suppress above this overlap first.")] = None,
    score: Annotated[float | None, typer.Option(help="For predictions: drop boxes at or below it first.")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the images, for intervals and test.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of these resamples.")] = 0,
    top: Annotated[int, typer.Option(min=0, help="Images named that gained most, and that lost most.")] = 10,
    json: Annotated[Path | None, typer.Option(help="Write all figures with all digits.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page: AP, curves, config, images.")] = None,
) -> None:
    """Print what differs between two runs: config, AP with intervals and a paired test, the images that changed most.

    Example: wider8k compare runs/smoke/ap runs/smoke/ap_ranked --report compare.html
    """
    from pipeline.engine.redaction import without_keys
    from pipeline.evaluation.comparison_page import comparison_json, comparison_page, comparison_tables, summary
    from pipeline.evaluation.run_comparison import compare_runs

    read = [Path(each) for each in (run_a, run_b, images) if each]
    require_files({"--json": json, "--report": report}, read)
    if benchmarks := _benchmarks(run_a, run_b):
        options = {"--ground-truth": ground_truth, "--images": images, "--nms": nms, "--score": score}
        given = [option for option, value in options.items() if value is not None]
        compare_benchmarks(benchmarks, short_names(run_a, run_b), given, json, report)
        return
    runs = [
        _read(run, name, ground_truth, images, nms, score)
        for run, name in zip((run_a, run_b), short_names(run_a, run_b), strict=True)
    ]
    found = compare_runs(runs[0], runs[1], resamples, seed, top)
    print(summary(found))
    for table in comparison_tables(found):
        print(f"\n{table.text()}")
    if json:
        json.write_text(comparison_json(found), encoding="utf-8")
        print(f"all digits: {json}")
    if report:
        typed = shlex.join(["wider8k", *map(without_keys, sys.argv[1:])])
        report.write_text(comparison_page(found, [typed]), encoding="utf-8")
        print(f"page: {report}")


def short_names(run_a: str, run_b: str) -> tuple[str, str]:
    """Returns the shortest ends of two paths that differ, without an archive's suffix.

    >>> short_names("runs/a/ap", "runs/b/ap")
    ('a/ap', 'b/ap')
    """
    parts = [PurePosixPath(each.removesuffix(".gz").removesuffix(".tar")).parts for each in (run_a, run_b)]
    length = 1
    while parts[0][-length:] == parts[1][-length:] and length < max(map(len, parts)):
        length += 1
    first, second = ("/".join(each[-length:]) for each in parts)
    return (first, second) if first != second else (parts[0][-1], parts[1][-1])


def _benchmarks(run_a: str, run_b: str) -> tuple[Result, Result] | None:
    """Returns two results of benchmarks, None where neither is one. Raises ValueError: one alone is."""
    first, second = map(find_result, (run_a, run_b))
    if first and second:
        return first, second
    if first or second:
        one, other = (run_a, run_b) if first else (run_b, run_a)
        raise ValueError(f"{one} is a result of a benchmark: expected another one beside it, found {other}")
    return None


def _read(
    run: str, name: str, ground_truth: Path | None, images: Path | None, nms: float | None, score: float | None
) -> ComparedRun:
    """Returns a finished run, or predictions with the ground truth that is given, by the name that is shown.

    Raises ValueError: it is no finished run, and there is no ground truth.
    """
    from pipeline.evaluation.evaluate_files import read_inputs
    from pipeline.evaluation.run_comparison import ComparedRun
    from pipeline.evaluation.wider_result import require_faces
    from stages.stored_evaluation import find_evaluation

    if stored := find_evaluation(run):
        if images or nms is not None or score is not None:
            raise ValueError(f"{run} is a finished run: --images, --nms and --score are for predictions")
        return ComparedRun(name, stored.inputs(), stored.config())
    if ground_truth is None:
        raise ValueError(
            f"{run}: expected a finished run with an evaluation, or --ground-truth DIR for predictions; found neither"
        )
    inputs = read_inputs(Path(run), ground_truth, images, nms=nms, score=score)
    require_faces(inputs.truth, str(images or ground_truth))
    return ComparedRun(name, inputs, inputs.protocol)
