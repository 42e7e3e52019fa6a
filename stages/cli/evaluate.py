"""evaluate: the exact WIDER FACE AP of predictions on disk."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.cli.outputs import require_files

if TYPE_CHECKING:
    from pipeline.evaluation.evaluate_files import EvaluationInputs
    from pipeline.evaluation.result_table import ResultTable
    from pipeline.evaluation.wider_result import WiderResult


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="Folder or .tar.gz in the WIDER text format, or a dump's folder.")
    ],
    ground_truth: Annotated[
        Path, typer.Option(help="Folder with wider_face_val.mat and wider_{easy,medium,hard}_val.mat.")
    ],
    images: Annotated[
        Path | None, typer.Option(help="Evaluate only the images of this list: event/name per line.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write AP with all digits, protocol and counts.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page: AP, curves, face sizes, problems.")] = None,
    reading: Annotated[str, typer.Option(help="Where the official tools differ: matlab or python.")] = "matlab",
    nms: Annotated[float | None, typer.Option(help="Suppress above this overlap first (for dumps: 0.4).")] = None,
    score: Annotated[float | None, typer.Option(help="Drop boxes at or below it first (for dumps: 0.02).")] = None,
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
    """Print easy, medium and hard AP exactly as the benchmark's own tool computes them.

    Example: wider8k evaluate predictions.tar.gz --ground-truth wider_val_gt --json ap.json
    """
    from pipeline.engine.redaction import without_keys
    from pipeline.evaluation.evaluate_files import read_inputs, report_page
    from pipeline.evaluation.wider_result import require_faces, subsets_without_faces

    if reading not in ("matlab", "python"):
        raise ValueError(f"--reading {reading}: expected matlab or python")
    if unreadable not in ("left_out", "missed"):
        raise ValueError(f"--unreadable {unreadable}: expected left_out or missed")
    without: Literal["left_out", "missed"] = "left_out" if unreadable == "left_out" else "missed"
    require_files({"--json": json, "--report": report}, [predictions, *([images] if images else [])])
    chosen: Literal["matlab", "python"] = "python" if reading == "python" else "matlab"
    inputs = read_inputs(predictions, ground_truth, images, chosen, nms, score, without)
    require_faces(inputs.truth, str(images or ground_truth))
    result = inputs.evaluate(false_alarms)
    if line := subsets_without_faces({subset: counts.faces for subset, counts in result.counts.items()}):
        print(line, file=sys.stderr)
    for name, lines in result.problems.items():
        shown = ", ".join(lines[:5]) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
        print(f"{name}: {len(lines)}: {shown}", file=sys.stderr)
    for subset, value in result.ap.items():
        shown = "     –" if math.isnan(value) else f"{100 * value:6.2f}"
        print(f"{subset:<7}{shown}  ({result.counts[subset].faces} faces)")
    if result.false_alarms:
        alarms, faces = result.false_alarms, result.counts["hard"].faces
        print(f"{alarms.alarms} false alarms at score {alarms.score:g}, {alarms.found['hard']} of {faces} faces found")
    tables: list[ResultTable] = []
    if details:
        result, tables = _with_details(inputs, result, ground_truth, resamples, seed)
        for table in tables:
            print(f"\n{table.text()}")
    if json:
        json.write_text(result.to_json(), encoding="utf-8")
        print(f"all digits: {json}")
    if report:
        typed = shlex.join(["wider8k", *map(without_keys, sys.argv[1:])])
        report.write_text(
            report_page(inputs, result, predictions.name, commands=[typed], tables=tables), encoding="utf-8"
        )
        print(f"page: {report}")


def _with_details(
    inputs: EvaluationInputs, result: WiderResult, ground_truth: Path, resamples: int, seed: int
) -> tuple[WiderResult, list[ResultTable]]:
    """Returns the result with its details for JSON, and the same as tables."""
    from pipeline.data.datasets.wider_face.mat_annotation import read_attributes
    from pipeline.evaluation.details import details_of

    names = inputs.truth.image_ids
    found = details_of(inputs.matches(), names, read_attributes(ground_truth, names), resamples, seed)
    return replace(result, details=found.to_json()), found.tables()
