"""What `detect` writes of each image as it goes: JSON, CSV, drawings, blurred copies and crops."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pipeline.data.records import ScoredBoxes

JPEG_SIDE = 65_500  # pixels, libjpeg's limit; a longer image is written as PNG
COLUMNS = ("image", "x1", "y1", "x2", "y2", "score")
KINDS: Mapping[str, str] = {"out": "drawn", "blur": "blurred", "crops": "cropped"}
"""Option of a folder of images -> what is done for it."""


class JsonArray(AbstractContextManager["JsonArray"]):
    """A JSON array in a file, an element a line: whole at the end, and readable line by line if it is cut off."""

    def __init__(self, file: Path) -> None:
        """Opens the file; one that is there is replaced."""
        self._file = file.open("w", encoding="utf-8")
        self._file.write("[")
        self._first = True

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes one element through to the system."""
        self._file.write(("\n" if self._first else ",\n") + json.dumps(row))
        self._file.flush()
        self._first = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the array, also where the work was interrupted."""
        self._file.write("\n]\n")
        self._file.close()


class FaceCsv(AbstractContextManager["FaceCsv"]):
    """A CSV file, a face a line: image, corners in pixels of the original, score; an image without faces has none."""

    def __init__(self, file: Path) -> None:
        """Opens the file and writes the names of the columns."""
        self._file: TextIO = file.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def add(self, image: Path, found: ScoredBoxes) -> None:
        """Writes the faces of one image."""
        for box, score in zip(found.boxes.tolist(), found.scores.tolist(), strict=True):
            self._writer.writerow((image, *(f"{value:.2f}" for value in box), f"{score:.6g}"))
        self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._file.close()


def write_image(stem: Path, image: Any) -> Path:
    """Writes uint8 [H, W, 3] BGR and returns its file: a JPEG, or a PNG where a side is longer than a JPEG's may be."""
    from pipeline.data.images import encode_jpeg, encode_png

    long = max(image.shape[:2]) > JPEG_SIDE
    target = named(stem, ".png" if long else ".jpg")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encode_png(image) if long else encode_jpeg(image))
    return target


def write_kind(kind: str, stem: Path, image: Any, faces: ScoredBoxes) -> str:
    """Writes one of `KINDS` of an image, and returns where it is.

    Args:
        kind: "out": boxes drawn; "blur": faces made unrecognisable; "crops": a file a face, best first.
        stem: of the file or files, without ending.
        image: uint8 [H, W, 3] BGR.
        faces: those that are shown.
    """
    from pipeline.inference.draw import draw
    from pipeline.inference.faces import blur_faces, crop_faces

    if kind == "crops":
        files = [
            write_image(named(stem, f"_face{number}"), crop)
            for number, crop in enumerate(crop_faces(image, faces.boxes), 1)
        ]
        return f"{len(files)} in {stem.parent}"
    if kind == "blur":
        return str(write_image(stem, blur_faces(image, faces.boxes)))
    return str(write_image(stem, draw(image, faces.boxes, faces.scores, faces.landmarks)))


def stems_of(images: Sequence[Path]) -> list[str]:
    """Returns a name for the files of each image; images of one name in several folders are numbered."""
    stems: dict[str, None] = {}
    others: dict[str, Any] = {}
    for path in images:
        # Counted on from the last number of a name, so that a thousand folders of one name are a thousand steps.
        names = others.setdefault(path.stem, chain([path.stem], map(f"{path.stem}_{{}}".format, count(2))))
        stems[next(stem for stem in names if stem not in stems)] = None
    return list(stems)


def named(stem: Path, suffix: str) -> Path:
    """Returns a path with a text added to its name."""
    return stem.with_name(stem.name + suffix)
