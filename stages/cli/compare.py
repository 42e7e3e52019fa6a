"""compare: two runs, sets of predictions or results of a benchmark; the first two with intervals and a paired test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from stages.cli.compare_benchmarks import WIDTH, BenchmarkFile, Result, compare_benchmarks, is_benchmark_file
from stages.cli.evaluation_options import Truth, is_typed, option_name
from stages.cli.outputs import Outputs, typed_command
from stages.cli.predictions import CategoryOption, ClassOption, FormOption, ImageFolderOption

if TYPE_CHECKING:
    from pipeline.data.predictions.matching import GivenPredictions
    from pipeline.evaluation.evaluate_files import LabelledImages
    from pipeline.evaluation.run_comparison import ComparedRun, RunComparison
    from stages.stored_evaluation import StoredEvaluation, StoredManifests

Found: TypeAlias = "StoredEvaluation | Result | None"
_RUN = (
    "Predictions of any form, or a finished run: its store, or the folder of an evaluation or a benchmark in it, or "
    "what evaluate --benchmark wrote as --json."
)
_PREDICTIONS: Final = (
    "ground_truth",
    "labels",
    "images",
    "form",
    "class_name",
    "image_folder",
    "category",
    "nms",
    "score",
)
"""Options that are for predictions."""
_OF_BOTH: Final = ("ground_truth", "labels", "category")
"""Those of them that go with one finished run: they name the faces of the other set."""


def compare(
    ctx: typer.Context,
    run_a: Annotated[str, typer.Argument(help=_RUN)],
    run_b: Annotated[str, typer.Argument(help="Likewise; differences are this one minus the first.")],
    ground_truth: Annotated[
        Path | None, typer.Option(help="For predictions: folder with the four official .mat files.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="For predictions: labels of your own, of any form of `wider8k dataset`.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="For predictions: only the images of this list.")] = None,
    form: FormOption = None,
    class_name: ClassOption = None,
    image_folder: ImageFolderOption = None,
    category: CategoryOption = None,
    nms: Annotated[float | None, typer.Option(help="For predictions: suppress above this overlap first.")] = None,
    score: Annotated[float | None, typer.Option(help="For predictions: drop boxes at or below it first.")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the images, for intervals and test.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of these resamples.")] = 0,
    top: Annotated[int, typer.Option(min=0, help="Images named that gained most, and that lost most.")] = 10,
    json: Annotated[Path | None, typer.Option(help="Write all figures with all digits.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page: AP, curves, config, images.")] = None,
) -> None:
    """Print what differs between two runs: config, AP with intervals and a paired test, the images that changed most.

    Example: wider8k compare runs/smoke/ap runs/smoke/ap_rank --report compare.html

    Example: wider8k compare a.json b.json --labels labels.csv
    """
    from pipeline.data.predictions.matching import GivenPredictions
    from pipeline.evaluation.run_comparison import compare_runs

    outputs = Outputs(json, report)
    outputs.require([Path(each) for each in (run_a, run_b, images) if each])
    names = short_names(run_a, run_b)
    opened = dict[str, "StoredManifests"]()
    found = [_find(run, opened) for run in (run_a, run_b)]
    given = [option_name(option) for option in _PREDICTIONS if is_typed(ctx, option)]
    if results := _results(found, (run_a, run_b)):
        compare_benchmarks(results, names, given, outputs)
        return
    _require_options(ctx, found, (run_a, run_b))
    described = _Described(
        _faces(ground_truth, labels, category), images, nms, score, GivenPredictions(form, class_name, image_folder)
    )
    runs = [described.run(*each) for each in zip((run_a, run_b), names, found, strict=True)]
    _print_and_write(compare_runs(runs[0], runs[1], resamples, seed, top), outputs)


def _print_and_write(found: RunComparison, outputs: Outputs) -> None:
    from pipeline.evaluation.run_comparison_page import comparison_json, comparison_page, comparison_tables, summary

    print(summary(found))
    for table in comparison_tables(found):
        print(f"\n{table.text(WIDTH)}")
    outputs.write(lambda: comparison_json(found), lambda: comparison_page(found, [typed_command()]))


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


def _find(run: str, opened: dict[str, StoredManifests]) -> Found:
    """Returns what is finished at a path; None where it is predictions."""
    from stages.stored_evaluation import find_result

    return BenchmarkFile(Path(run)) if is_benchmark_file(run) else find_result(run, opened)


def _results(found: Sequence[Found], runs: tuple[str, str]) -> tuple[Result, Result] | None:
    """Returns two results of benchmarks, None where neither is one. Raises ValueError: one alone is."""
    from stages.stored_evaluation import StoredBenchmark

    results = [each for each in found if isinstance(each, StoredBenchmark | BenchmarkFile)]
    if len(results) == 1:
        one, other = runs if results[0] is found[0] else runs[::-1]
        raise ValueError(f"{one} is a result of a benchmark: expected another one beside it, found {other}")
    return (results[0], results[1]) if results else None


def _require_options(ctx: typer.Context, found: Sequence[Found], runs: tuple[str, str]) -> None:
    """Raises ValueError where an option for predictions is typed, and a run is finished that it would be about."""
    finished = [run for run, each in zip(runs, found, strict=True) if each is not None]
    allowed = () if len(finished) == len(runs) else _OF_BOTH
    typed = [option_name(option) for option in _PREDICTIONS if option not in allowed and is_typed(ctx, option)]
    if finished and typed:
        raise ValueError(f"{', '.join(typed)}: expected with predictions only, found the finished run {finished[0]}")


def _faces(ground_truth: Path | None, labels: Path | None, category: str | None) -> LabelledImages | None:
    """Returns the faces that predictions are compared with, read once; None where none are given."""
    from pipeline.evaluation.wider_result import require_faces

    truth = Truth.of(ground_truth, labels, category)
    if truth is None:
        return None
    faces = truth.faces()
    require_faces(faces.truth, str(truth.path))
    return faces


@dataclass(frozen=True, slots=True)
class _Described:
    """What is known of the predictions that are compared."""

    faces: LabelledImages | None
    images: Path | None
    nms: float | None
    score: float | None
    given: GivenPredictions

    def run(self, run: str, name: str, found: Found) -> ComparedRun:
        """Returns a finished run, or predictions, by the name that is shown.

        Raises ValueError: it is no finished run, and there are no faces to compare predictions with.
        """
        from pipeline.evaluation.evaluate_files import read_inputs
        from pipeline.evaluation.run_comparison import ComparedRun
        from pipeline.evaluation.wider_result import require_faces
        from stages.stored_evaluation import StoredEvaluation

        if isinstance(found, StoredEvaluation):
            return ComparedRun(name, found.inputs(), found.config())
        if self.faces is None:
            raise ValueError(
                f"{run}: expected a finished run with an evaluation, or predictions with --ground-truth DIR or "
                "--labels PATH; found none of them"
            )
        inputs = read_inputs(Path(run), self.faces, self.images, nms=self.nms, score=self.score, given=self.given)
        if self.images:
            require_faces(inputs.truth, str(self.images))
        return ComparedRun(name, inputs, inputs.protocol)
