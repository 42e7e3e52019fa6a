"""Predictions in the form of FDDB's own tool: lists ``fold-XX-out.txt`` in a folder, or one list with all images."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

from pipeline.data.datasets.fddb.annotation import FddbLabels
from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.listed_rows import image_rows, read_list, write_list
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder

_FOLD: Final = re.compile(r"fold-.*-out\.txt")
_IMAGE: Final = re.compile(r"(.*/)?\d{4}/\d\d/\d\d/big/img_\d+(\.\w+)?")


def read_fddb_lists(source: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of one list, or of the ``fold-XX-out.txt`` of a folder, images in any order.

    Raises FileNotFoundError: there is no list; ValueError: a malformed line or an image that comes twice; the message
    gives file, line, expected and found.
    """
    builder = PredictionTableBuilder()
    for file in _files(source):
        read_list(file, builder)
    return builder.build()


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted(source.glob("fold-*-out.txt")) if source.is_dir() else []
    if not files:
        raise FileNotFoundError(f"no predictions at {source}: expected one list, or a folder of fold-XX-out.txt")
    return files


def write_fddb_list(table: PredictionTable, target: Path, options: WriteOptions) -> list[str]:
    """Writes one list of all images."""
    write_list(table, target)
    return []


def write_folds(table: PredictionTable, labels: FddbLabels, folder: Path) -> list[Path]:
    """Writes ``fold-XX-out.txt`` for each fold, in the order of its images, and returns the files.

    Args:
        table: of exactly the images of the folds; one without any row has a count of 0.
        labels: the folds.
        folder: made if absent.
    """
    texts = {name: f"{name}\n{image_rows(boxes, scores)}" for name, boxes, scores in table.by_image()}
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for fold, images in labels.folds.items():
        files.append(folder / f"fold-{fold}-out.txt")
        files[-1].write_text("".join(texts[image] for image in images), encoding="utf-8")
    return files


def is_fddb(contents: Contents) -> bool:
    """Returns whether files are named as folds are, or the first image of a list as FDDB names its own."""
    if contents.single:
        lines = next(iter(contents.lines()), [])
        return len(lines) > 1 and lines[1].isdigit() and bool(_IMAGE.fullmatch(lines[0]))
    return any(_FOLD.fullmatch(PurePosixPath(name).name) for name in contents.heads)


FDDB: Final = PredictionForm(
    words="FDDB lists",
    layout="x y w h",
    matches=is_fddb,
    read=read_fddb_lists,
    write=write_fddb_list,
    endings=(".txt",),
)
