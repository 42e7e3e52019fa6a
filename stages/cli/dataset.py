"""dataset: what is in labelled images of any form, and labels of one form written as another."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.cli.completion import label_forms
from stages.cli.outputs import require_files, require_folder

if TYPE_CHECKING:
    from pipeline.data.datasets.labels.found_labels import FoundLabels
    from pipeline.data.datasets.labels.inspection import Inspection

_HELP = """Inspect labelled images of any form (COCO, YOLO, VOC, CSV and others), or convert between them.

Example: wider8k dataset inspect ~/labelled
"""

group = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode=None)

_FORMS = "coco_json, yolo, voc, csv, retinaface, wider_text, label_studio or cvat"
Source = Annotated[
    str, typer.Argument(help="File or folder of the labels, or a folder with labels of one form in it; also s3://.")
]
FormOption = Annotated[
    str | None,
    typer.Option("--form", help=f"{_FORMS}; recognised where it is not given.", autocompletion=label_forms),
]
ImagesOption = Annotated[
    str | None, typer.Option(help="Folder of the images, where it is another than that of the labels.")
]
CategoryOption = Annotated[
    list[str] | None, typer.Option("--category", help="Name of the objects that are faces; repeatable.")
]


@group.command()
def inspect(
    path: Source,
    form: FormOption = None,
    images: ImagesOption = None,
    category: CategoryOption = None,
    opened: Annotated[int, typer.Option(help="Images to open and compare with their labels.", min=1)] = 2000,
    sheet: Annotated[Path, typer.Option(help="Twelve images with their boxes on one sheet, .jpg or .png.")] = Path(
        "dataset.jpg"
    ),
) -> None:
    """Print what is in labelled images and what is odd about them, and draw twelve of them.

    Faces that count are drawn green, ignored ones and those too small for any subset orange. Exit code 1 where labels
    and images contradict each other.

    Example: wider8k dataset inspect ~/labelled --sheet faces.jpg
    """
    from pipeline.data.datasets.labels.found_labels import find_labels
    from pipeline.data.datasets.labels.inspection import inspect_labels
    from pipeline.data.file_path import file_path

    if sheet.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ValueError(f"--sheet {sheet}: expected the ending .jpg or .png, found {sheet.suffix!r}")
    source = file_path(path)
    require_files({"--sheet": sheet}, [source] if isinstance(source, Path) and source.is_file() else [])
    found = find_labels(source, form, file_path(images) if images else None, tuple(category or ()))
    result = inspect_labels(found, opened)
    for what, text in result.counts:
        print(f"{what:<9}{text}")
    for line in result.remarks:
        print(f"remark   {line}")
    if result.drawn:
        _write_sheet(result, sheet)
        print(f"sheet    {sheet}: {len(result.drawn)} images")
    if result.problem:
        print(f"problem  {result.problem}", file=sys.stderr)
        raise typer.Exit(1)
    print(f"next: {_run_on(found, result.absent > 0)}")


@group.command()
def convert(
    path: Source,
    to: Annotated[str, typer.Option(help=f"Form to write: {_FORMS}.", autocompletion=label_forms)],
    out: Annotated[Path, typer.Option(help="Empty folder, or one to be made, for the labels and their images.")],
    form: FormOption = None,
    images: ImagesOption = None,
    category: CategoryOption = None,
    files: Annotated[
        Literal["link", "copy", "none"], typer.Option(help="The images below --out: symbolic links, copies, or none.")
    ] = "link",
) -> None:
    """Write labels in another form, with the images below --out/images.

    What the form cannot hold (ignored faces, landmarks) is left out, with a line that says so.

    Example: wider8k dataset convert ~/labelled --to yolo --out ~/labelled_yolo
    """
    from pipeline.data.datasets.labels.conversion import convert_labels
    from pipeline.data.datasets.labels.found_labels import find_labels
    from pipeline.data.file_path import file_path

    require_folder("--out", out)
    found = find_labels(file_path(path), form, file_path(images) if images else None, tuple(category or ()))
    done = convert_labels(found, to, out, files)
    for line in done.lines:
        print(f"remark   {line}")
    print(f"{done.labels}: {done.images:,} images, {done.faces:,} faces")
    print(f"next: wider8k dataset inspect {shlex.quote(str(out))}")


def _run_on(found: FoundLabels, some_absent: bool) -> str:
    """Returns the command that finds and scores faces in labelled images, those that are there."""
    from pipeline.data.datasets.labels.labelled_files import labels_in
    from pipeline.data.file_path import path_below

    inside = path_below(found.labels.absolute(), found.root).as_posix()
    # What a dataset finds by itself need not be named.
    alone = found.labels.is_dir() or len(list(labels_in(found.root, found.form))) == 1
    params = {"annotation": "" if alone else inside, "images": found.images, "missing": "skip" * some_absent}
    more = [f"faces.dataset.{name}={value}" for name, value in params.items() if value]
    if found.category:
        more.append(f"faces.dataset.category=[{', '.join(found.category)}]")
    chosen = [f"faces.dataset{'.kind' if more else ''}={found.name}"] if found.name != "coco_json" else []
    sets = [f"faces.path={found.root}", *chosen, *more, "boxes.path=WEIGHTS"]
    return shlex.join(["wider8k", "run", "-c", "own", *(word for each in sets for word in ("--set", each))])


def _write_sheet(result: Inspection, sheet: Path) -> None:
    import numpy as np

    from pipeline.data.file_path import address_of
    from pipeline.data.images import decode, encode_jpeg, encode_png
    from pipeline.inference.contact_sheet import contact_sheet, fitted
    from pipeline.inference.draw import draw

    drawn, captions = [], []
    for sample in result.drawn:
        pixels = decode(result.dataset.image_bytes(address_of(result.root), sample.path))
        counts = np.zeros(len(sample.boxes), np.float32)
        for flags in sample.levels.values():
            counts[flags] = 1
        tile = fitted(pixels)
        scale = np.float32(max(tile.shape) / max(pixels.shape))  # lines of the same width on images of every size
        marks = None if sample.landmarks is None else np.nan_to_num(sample.landmarks * scale, nan=-1000)
        drawn.append(draw(tile, sample.boxes * scale, counts, marks, labels=False))
        captions.append(f"{sample.image_id} ({len(sample.boxes)})")
    page = contact_sheet(drawn, captions)
    sheet.write_bytes(encode_png(page) if sheet.suffix.lower() == ".png" else encode_jpeg(page))
