"""predictions: what is in predictions of any form, and predictions of one form written as another."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from stages.cli.completion import prediction_forms
from stages.cli.outputs import require_files, require_folder

_HELP = """Inspect predictions of any form (WIDER text, COCO results, YOLO, CSV and others), or convert between them.

Example: wider8k predictions inspect results.json
"""

group = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode=None)

_FORMS = "wider_text, coco_results, yolo, csv, fddb, rows, detect_json or dump"
Predictions = Annotated[
    Path,
    typer.Argument(
        help="WIDER text (folder, .tar.gz, .zip or one file), COCO results, YOLO text, CSV, FDDB, a dump .."
    ),
]
FormOption = Annotated[
    str | None,
    typer.Option(
        "--form",
        help=f"Of the predictions: {_FORMS}; recognised where it is not given.",
        autocompletion=prediction_forms,
    ),
]
ClassOption = Annotated[
    str | None,
    typer.Option("--class", help="Of the predictions: class or category_id of those that are faces."),
]
ImageFolderOption = Annotated[
    Path | None, typer.Option(help="Of the images, whose sizes YOLO text needs where the labels do not have them.")
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(help="Labels of any form of `wider8k dataset`: names, COCO's ids and sizes of the images."),
]

CategoryOption = Annotated[
    str | None,
    typer.Option("--category", help="Of the labels: name of the objects that are faces, where there are several."),
]


@group.command()
def inspect(
    path: Predictions,
    labels: LabelsOption = None,
    form: FormOption = None,
    class_name: ClassOption = None,
    image_folder: ImageFolderOption = None,
    category: CategoryOption = None,
) -> None:
    """Print what is in predictions: form, images, boxes, scores; with labels also how names and boxes fit them.

    Exit code 1 where predictions and labels contradict each other.

    Example: wider8k predictions inspect results.json --labels annotations.json
    """
    from pipeline.data.predictions.inspection import inspect_predictions
    from pipeline.data.predictions.matching import GivenPredictions

    result = inspect_predictions(path, labels, GivenPredictions(form, class_name, image_folder), category)
    for what, text in result.counts:
        print(f"{what:<9}{text}")
    for line in result.remarks:
        print(f"remark   {line}")
    if result.problem:
        print(f"problem  {result.problem}", file=sys.stderr)
        raise typer.Exit(1)
    options = {"--form": form, "--class": class_name, "--image-folder": image_folder, "--category": category}
    typed = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    if labels:
        print("next:", shlex.join(["wider8k", "evaluate", str(path), "--labels", str(labels), *typed]))
    else:
        print("next:", shlex.join(["wider8k", "predictions", "inspect", str(path), *typed, "--labels", "LABELS"]))


@group.command()
def convert(
    path: Predictions,
    to: Annotated[str, typer.Option(help=f"Form to write: {_FORMS}.", autocompletion=prediction_forms)],
    out: Annotated[
        Path,
        typer.Option(help="File or empty folder, as the form has it; wider_text: a folder, .zip, .tar.gz or one .txt."),
    ],
    labels: LabelsOption = None,
    form: FormOption = None,
    class_name: ClassOption = None,
    image_folder: ImageFolderOption = None,
    category: CategoryOption = None,
) -> None:
    """Write predictions in another form; with labels, those of their images alone and named as these are.

    Example: wider8k predictions convert runs/detect/labels --to wider_text --out found --labels labels.csv
    """
    from pipeline.data.predictions.conversion import convert_predictions, is_folder
    from pipeline.data.predictions.matching import GivenPredictions

    if is_folder(to, out):
        require_folder("--out", out)
    else:
        require_files({"--out": out}, [path] if path.is_file() else [])
    given = GivenPredictions(form, class_name, image_folder)
    done = convert_predictions(path, to, out, labels, given, category)
    for line in done.lines:
        print(f"remark   {line}")
    print(f"{out}: {done.images:,} images, {done.boxes:,} boxes")
    print(f"next: wider8k predictions inspect {shlex.quote(str(out))}")
