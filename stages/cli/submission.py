"""submission: detections in the form that a benchmark's server or tool takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stages.cli.outputs import require_files, require_folder


def submission(
    predictions: Annotated[Path, typer.Argument(help="Of any form, see `wider8k predictions inspect`.")],
    out: Annotated[Path, typer.Option(help="The .zip (wider), .txt, or for fddb a folder of fold-XX-out.txt.")],
    benchmark: Annotated[str, typer.Option(help="wider (test split), fddb, pascal or afw.")] = "wider",
    images: Annotated[
        Path | None, typer.Option(help="wider: the images there must be, event/name per line; default: 16,097 any.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="fddb: the folder of the folds.")] = None,
) -> None:
    """Write detections as wider_test_submission.zip for WIDER FACE's server, or as FDDB's, PASCAL's and AFW's lists.

    Example: wider8k submission runs/test/found --images wider_face_test_filelist.txt --out wider_test_submission.zip
    """
    if benchmark not in ("wider", "fddb", "pascal", "afw"):
        raise ValueError(f"--benchmark {benchmark}: expected wider, fddb, pascal or afw")
    if benchmark == "fddb" and out.suffix != ".txt":
        require_folder("--out", out)
    else:
        require_files({"--out": out}, [predictions, *([images] if images else [])])
    if benchmark == "wider":
        _wider(predictions, out, images)
    elif benchmark == "fddb":
        _fddb(predictions, out, labels)
    else:
        _rows(predictions, out)


def _wider(predictions: Path, out: Path, images: Path | None) -> None:
    from pipeline.data.datasets.wider_face.submission import submission_names, write_submission
    from pipeline.data.image_list import read_image_list
    from pipeline.data.predictions.matching import find_predictions

    table = find_predictions(predictions).table.in_pixels()
    if table.errors:
        print(f"errors: {len(table.errors)}: images without an answer have no detections", file=sys.stderr)
    try:
        names = submission_names(table.names, read_image_list(images) if images else None)
    except ValueError as error:
        raise ValueError(f"{predictions}: {error}") from None
    write_submission(table.prediction_set(), names, out)
    print(f"{out}: {len(names)} images, {len(table.scores)} detections")


def _fddb(predictions: Path, out: Path, labels: Path | None) -> None:
    from pipeline.data.datasets.fddb.annotation import read_fddb
    from pipeline.data.predictions.fddb_lists import write_folds
    from pipeline.data.predictions.listed_rows import write_list
    from pipeline.data.predictions.matching import find_predictions

    if labels is None:
        raise ValueError("--benchmark fddb needs --labels, the folder of the folds")
    folds = read_fddb(labels)
    table = find_predictions(predictions).of_images(folds.image_ids).table
    if out.suffix == ".txt":
        write_list(table, out)
    else:
        write_folds(table, folds, out)
    files = 1 if out.suffix == ".txt" else len(folds.folds)
    print(f"{out}: {files} files, {len(table)} images, {len(table.scores)} detections")


def _rows(predictions: Path, out: Path) -> None:
    from dataclasses import replace

    from pipeline.data.image_names import without_ending
    from pipeline.data.predictions.detection_rows import write_detection_rows
    from pipeline.data.predictions.form import WriteOptions
    from pipeline.data.predictions.matching import find_predictions

    table = find_predictions(predictions).table.in_pixels()
    names = tuple(without_ending(name).rpartition("/")[2] for name in table.names)
    write_detection_rows(replace(table, names=names), out, WriteOptions())
    print(f"{out}: {len(names)} images, {len(table.scores)} detections")
