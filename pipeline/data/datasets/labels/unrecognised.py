"""What is at a path that holds no labels of any form, in words, and what reads it: for the message that refuses it."""

from __future__ import annotations

from itertools import islice
from typing import Final

from pipeline.data.csv_columns import read_heading
from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.form import HEAD
from pipeline.data.datasets.labels.labelled_files import LABEL_ENDINGS
from pipeline.data.file_path import FilePath, read_beginning
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
    images = sum(map(claims_to_be_image, files))
    texts = sorted(name for name in files if name.lower().endswith(LABEL_ENDINGS))
    if texts:
        named = {kind: name for name in reversed(texts[:_SHOWN]) for kind in [_kind(path / name)]}
        shown = dict(sorted(named.items(), key=lambda each: each[1]))
        kinds = [f"{name}: {kind}" for kind, name in shown.items()]
        more = f" and {len(texts) - len(shown)} more" if len(texts) > len(shown) else ""
        beside = f" beside {images} images" if images else ""
        plain = bool(images) and all(kind.startswith("text that") for kind in shown)
        return f"{', '.join(kinds)}{more}{beside}{_advice(next(iter(shown)), plain)}"
    if images:
        return f"{images} images without labels{_advice('', True)}"
    return f"{len(files)} other files" if files else "an empty folder"


def _kind(file: FilePath) -> str:
    head = read_beginning(file, HEAD)
    kind = file_kind(head)
    if file.suffix.lower() == ".csv" and kind.startswith("text that"):
        first = head.decode("utf-8-sig", "replace").splitlines()[0]
        return f"the heading {first[:80]!r} in place of image,x1,y1,x2,y2 or image,x,y,w,h{read_heading(first).advice}"
    return json_kind(head) if kind == "JSON text" else kind


def _advice(kind: str, images: bool) -> str:
    if kind.startswith("predictions"):
        return "; wider8k predictions inspect reads predictions"
    if kind.startswith("a zip archive"):
        return "; unpack it"
    return "; wider8k detect finds faces in images" if images else ""
