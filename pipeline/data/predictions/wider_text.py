"""Predictions in the text form of WIDER FACE: a file per image (folder, tar, zip), or one file with all images."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from pipeline.data.datasets.wider_face.prediction_files import is_archive, members
from pipeline.data.datasets.wider_face.predictions import all_malformed, parse_files
from pipeline.data.image_names import without_ending
from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.fddb_lists import is_fddb
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.listed_rows import image_rows, read_list, write_list
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder, corners_of
from pipeline.data.text_lines import finite_numbers

_BYTES: Final = 1 << 24  # of text that is parsed together
_ARCHIVES: Final = (".tar.gz", ".tgz", ".tar", ".zip")


def read_wider_predictions(path: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a folder or archive, named by the path of each file in it, or of one list.

    A row's last number is its score. More rows than line 2 says are left out, with a remark, as by the benchmark's
    own tool.

    Raises OSError: something cannot be read; ValueError: some files are malformed (named with line, expected and
    found), or an image comes twice.
    """
    builder, remarks = PredictionTableBuilder(), list[str]()
    if path.is_file() and not is_archive(path):
        read_list(path, builder)
        return builder.build()
    texts, size, malformed, count = dict[str, bytes](), 0, list[str](), 0
    for member in members(path, []):
        if member.image in builder or member.image in texts:
            raise ValueError(f"{path}: expected one file of each image, found {member.name} twice")
        count += 1
        texts[member.image] = member.read()
        size += member.size
        if size >= _BYTES:
            malformed += _add(builder, texts, remarks)
            texts, size = {}, 0
    malformed += _add(builder, texts, remarks)
    if malformed:
        raise ValueError(all_malformed(path, malformed, count))
    if not count:
        raise FileNotFoundError(f"{path}: expected <event>/<name>.txt, found no .txt")
    return builder.build(remarks)


def _add(builder: PredictionTableBuilder, texts: dict[str, bytes], remarks: list[str]) -> list[str]:
    """Adds files to the table, and returns the malformed ones."""
    found, disagreeing, malformed, _ = parse_files(texts, list(texts), "matlab")
    remarks += disagreeing
    images = [builder.image(name) for name in found]
    rows = [numbers for _, numbers in found.values()]
    table = np.concatenate([np.zeros((0, 5)), *rows])
    numbers = np.repeat(np.array(images, np.int64), [len(each) for each in rows])
    builder.add(numbers, corners_of(table[:, :4]), table[:, 4].copy())
    return malformed


def write_wider_predictions(table: PredictionTable, target: Path, options: WriteOptions) -> list[str]:
    """Writes ``<name>.txt`` of each image into a folder or an archive, or one list where the ending is ``.txt``."""
    if target.suffix.lower() == ".txt":
        write_list(table, target)
        return []
    with ExitStack() as stack:
        write = _writer(target, stack)
        for name, boxes, scores in table.by_image():
            stem = without_ending(name)
            write(f"{stem}.txt", f"{PurePosixPath(stem).name}\n{image_rows(boxes, scores)}".encode())
    return []


def _writer(target: Path, stack: ExitStack) -> Callable[[str, bytes], None]:
    """Returns what writes a file of a name into a folder or an archive."""
    if target.suffix.lower() == ".zip":
        archive = stack.enter_context(zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED))
        return lambda name, data: archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    if target.name.lower().endswith(_ARCHIVES):
        plain = target.suffix.lower() == ".tar"
        tar = stack.enter_context(tarfile.open(target, "w") if plain else tarfile.open(target, "w:gz"))  # noqa: SIM115

        def add(name: str, data: bytes) -> None:
            item = tarfile.TarInfo(name)
            item.size = len(data)
            tar.addfile(item, io.BytesIO(data))

        return add

    def write(name: str, data: bytes) -> None:
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    return write


def _matches(contents: Contents) -> bool:
    if is_fddb(contents) or not contents.heads:
        return False
    return any(has_count(lines) for lines in contents.lines())


def has_count(lines: list[str]) -> bool:
    """Returns whether the second line is a count, and the third one, if any, a row of a box."""
    count = finite_numbers(lines[1].split()) if len(lines) > 1 else []
    row = finite_numbers(lines[2].replace(",", " ").split()) if len(lines) > 2 else []
    fits = len(count) == 1 and count[0] == int(count[0]) and count[0] >= 0
    return fits and (not count[0] or len(lines) < 3 or len(row) >= 4)


WIDER_TEXT: Final = PredictionForm(
    words="WIDER text",
    layout="x y w h",
    matches=_matches,
    read=read_wider_predictions,
    write=write_wider_predictions,
    folder=True,
    text_per_image=True,
    endings=(*_ARCHIVES, ".txt"),
)
