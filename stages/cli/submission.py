"""submission: detections in the form that a benchmark's server or tool takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stages.cli.outputs import require_files, require_folder


def submission(
    predictions: Annotated[Path, typer.Argument(help="A dump's folder, or published text of the same benchmark.")],
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
    from pipeline.data.datasets.wider_face.prediction_files import text_files
    from pipeline.data.datasets.wider_face.predictions import read_wider_text
    from pipeline.data.datasets.wider_face.submission import submission_names, write_submission
    from pipeline.evaluation.dump_reader import dump_shards, read_dump
    from pipeline.evaluation.evaluate_files import read_image_list

    if predictions.is_dir() and dump_shards(predictions):
        dump = read_dump(predictions)
        found = dump.predictions
        if dump.errors:
            print(f"errors: {len(dump.errors)}: images without an answer have no detections", file=sys.stderr)
    else:
        found = read_wider_text(predictions, list(text_files(predictions, []))).predictions
    try:
        names = submission_names(found.image_ids, read_image_list(images) if images else None)
    except ValueError as error:
        raise ValueError(f"{predictions}: {error}") from None
    write_submission(found, names, out)
    print(f"{out}: {len(names)} images, {len(found.scores)} detections")


def _fddb(predictions: Path, out: Path, labels: Path | None) -> None:
    from pipeline.data.datasets.fddb.annotation import read_fddb
    from pipeline.data.datasets.fddb.detections import write_fddb_detections
    from pipeline.evaluation.benchmark_inputs import read_fddb_lists

    if labels is None:
        raise ValueError("--benchmark fddb needs --labels, the folder of the folds")
    folds = read_fddb(labels)
    found = read_fddb_lists(predictions, folds.image_ids)
    files = write_fddb_detections(found.predictions, folds, out)
    print(f"{out}: {len(files)} files, {len(folds.image_ids)} images, {len(found.predictions.scores)} detections")


def _rows(predictions: Path, out: Path) -> None:
    from dataclasses import replace

    from pipeline.data.datasets.labels.detection_rows import write_detection_rows
    from pipeline.data.image_names import without_ending
    from pipeline.evaluation.dump_reader import read_dump

    found = read_dump(predictions).predictions
    names = tuple(without_ending(image_id).rpartition("/")[2] for image_id in found.image_ids)
    write_detection_rows(replace(found, image_ids=names), out)
    print(f"{out}: {len(names)} images, {len(found.scores)} detections")
