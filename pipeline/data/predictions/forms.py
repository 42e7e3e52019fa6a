"""The forms of predictions by name: an explicit table. A new one is a file and a line in `FORMS`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.json_kind import json_kind
from pipeline.data.predictions.coco_results import COCO_RESULTS
from pipeline.data.predictions.contents import Contents, contents_of
from pipeline.data.predictions.csv_file import CSV
from pipeline.data.predictions.detect_json import DETECT_JSON
from pipeline.data.predictions.detection_rows import DETECTION_ROWS
from pipeline.data.predictions.dump import DUMP
from pipeline.data.predictions.fddb_lists import FDDB
from pipeline.data.predictions.form import PredictionForm
from pipeline.data.predictions.wider_text import WIDER_TEXT
from pipeline.data.predictions.yolo_text import YOLO
from pipeline.engine.registry import Registry

FORMS: Final[Registry[PredictionForm]] = Registry(
    "form of predictions",
    {
        "wider_text": WIDER_TEXT,
        "coco_results": COCO_RESULTS,
        "yolo": YOLO,
        "csv": CSV,
        "fddb": FDDB,
        "rows": DETECTION_ROWS,
        "detect_json": DETECT_JSON,
        "dump": DUMP,
    },
)
"""Every form, in the order of messages."""

_FILES: Final = (".json", ".csv")


def recognise(path: Path) -> tuple[str, Path]:
    """Returns the form of predictions, as in `FORMS`, and their file or folder: ``path`` itself, or the file in it.

    Raises FileNotFoundError: nothing is there; ValueError: it is of no form or of several ones, or an archive that
    cannot be read; the message gives the forms.
    """
    contents = contents_of(path)
    found = _forms(contents)
    if not found and path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _FILES and file.is_file())
        found = [each for file in files for each in _forms(contents_of(file))]
    if not found:
        raise ValueError(f"{path}: expected predictions as {_choices()}; found {_shown(contents)}")
    if len(found) > 1:
        shown = ", ".join(f"{FORMS[name].words} ({name}{'' if at == path else f': {at.name}'})" for name, at in found)
        raise ValueError(f"{path}: expected predictions of one form, found {shown}; --form NAME takes one of them")
    return found[0]


def predictions_of_form(path: Path, name: str) -> Path:
    """Returns the predictions of a known form: ``path``, or the only file of the form's ending in it.

    Raises ValueError: no such form; FileNotFoundError: nothing is there.
    """
    form = FORMS.find(name)
    if not path.exists():
        raise FileNotFoundError(f"no predictions at {path}: expected {form.words}")
    ending = form.endings[0] if len(form.endings) == 1 else ""
    if path.is_file() or ending not in _FILES:
        return path
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == ending)
    if len(files) != 1:
        shown = ", ".join(file.name for file in files[:3]) or "none"
        raise ValueError(f"{path}: expected one {ending} file, found {shown}; give the path of it")
    return files[0]


def _forms(contents: Contents) -> list[tuple[str, Path]]:
    return [(name, contents.path) for name, form in FORMS.items() if form.matches(contents)]


def _choices() -> str:
    return ", ".join(f"{form.words} ({name})" for name, form in FORMS.items())


def _shown(contents: Contents) -> str:
    if contents.single:
        kind = json_kind(contents.head.encode()) if contents.kind == "JSON text" else contents.kind
        return kind + ("; wider8k dataset inspect reads labels" if kind.startswith("labels") else "")
    if contents.heads:
        name, head = next(iter(contents.heads.items()))
        return f"{name} that starts with {head.strip().splitlines()[:1]}"
    if not contents.others:
        return "nothing in it"
    images = "; wider8k detect finds faces in images" if claims_to_be_image(contents.others[0]) else ""
    return f"no text, but {', '.join(contents.others[:3])}{images}"
