"""What is at a path that holds no labels of any form, in words, and what reads it: for the message that refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.form import HEAD
from pipeline.data.datasets.labels.labelled_files import LABEL_ENDINGS
from pipeline.data.file_path import FilePath, path_below, read_beginning
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.json_kind import json_kind
from pipeline.engine.file_kind import file_kind

_SHOWN: Final = 2  # files of a folder
_SEARCHED: Final = 10_000


def unrecognised(path: FilePath) -> str:
    """Returns what is at a path, a file or a folder, and after a semicolon what to do with it, where that is known."""
    if path.is_file():
        found = _kind(path)
        return f"{found}{_advice(found, claims_to_be_image(path.name))}"
    files = [name for name, _ in islice(scan(path), _SEARCHED)]
    texts = sorted(name for name in files if name.lower().endswith(LABEL_ENDINGS))
    if texts:
        kinds = list(_named_kinds(path, texts[:_SHOWN]))
        more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
        return f"{', '.join(f'{name}: {kind}' for name, kind in kinds)}{more}{_advice(kinds[0][1], False)}"
    images = sum(map(claims_to_be_image, files))
    return f"{images} images without labels{_advice('', True)}" if images else f"{len(files)} other files"


def _named_kinds(folder: FilePath, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        file = folder / name
        yield str(path_below(file, folder)), _kind(file)


def _kind(file: FilePath) -> str:
    head = read_beginning(file, HEAD)
    kind = file_kind(head)
    return json_kind(head) if kind == "JSON text" else kind


def _advice(kind: str, images: bool) -> str:
    if kind.startswith("predictions"):
        return "; wider8k predictions inspect reads predictions"
    if kind.startswith("a zip archive"):
        return "; unpack it"
    return "; wider8k detect finds faces in images" if images else ""
