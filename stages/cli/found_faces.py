"""What `detect` writes of each image as it goes: JSON, CSV, drawings, blurred copies and crops."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pipeline.data.records import ScoredBoxes

JPEG_SIDE = 65_500  # pixels, libjpeg's limit; a longer image is written as PNG
COLUMNS = ("image", "x1", "y1", "x2", "y2", "score")
FRAME_COLUMNS = ("image", "frame", "seconds", *COLUMNS[1:])  # where a video is among the images
KINDS: Mapping[str, str] = {"out": "drawn", "blur": "blurred", "crops": "cropped"}
"""Option of a folder of images -> what is done for it."""


class JsonArray(AbstractContextManager["JsonArray"]):
    """A JSON array in a file, an element a line: whole at the end, and readable line by line if it is cut off."""

    def __init__(self, file: Path, kept: int = 0) -> None:
        """Opens the file, of which the first ``kept`` bytes, whole elements, stay; the rest is replaced."""
        self._file = _opened(file, kept)
        self._first = kept <= 1
        if not kept:
            self._file.write("[")

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes one element through to the system."""
        self._file.write(("\n" if self._first else ",\n") + json.dumps(row))
        self._file.flush()
        self._first = False

    @property
    def size(self) -> int:
        """Returns the bytes up to the last element."""
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the array, also where the work was interrupted."""
        self._file.write("\n]\n")
        self._file.close()


class FaceCsv(AbstractContextManager["FaceCsv"]):
    """A CSV file, a face a line: image, corners in pixels of the original, score; an image without faces has none.

    With ``frames`` number and seconds of a video's frame are behind the image; they are empty for a photograph.
    """

    def __init__(self, file: Path, kept: int = 0, *, frames: bool = False) -> None:
        """Opens the file, of which the first ``kept`` bytes, whole lines, stay; a new one gets the columns' names."""
        self._file = _opened(file, kept, newline="")
        self._writer, self._frames = csv.writer(self._file), frames
        if not kept:
            self._writer.writerow(FRAME_COLUMNS if frames else COLUMNS)

    def add(self, image: Path, found: ScoredBoxes, frame: tuple[int, float] | None = None) -> None:
        """Writes the faces of one image, or of a video's frame of that number and time in seconds."""
        place = ("", "") if frame is None else (frame[0], f"{frame[1]:.3f}")
        for box, score in zip(found.boxes.tolist(), found.scores.tolist(), strict=True):
            numbers = (*(f"{value:.2f}" for value in box), f"{score:.6g}")
            self._writer.writerow((image, *(place if self._frames else ()), *numbers))
        self._file.flush()

    @property
    def size(self) -> int:
        """Returns the bytes up to the last line."""
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._file.close()


def _opened(file: Path, kept: int, newline: str | None = None) -> TextIO:
    if not kept:
        return file.open("w", encoding="utf-8", newline=newline)
    with file.open("r+b") as whole:
        whole.truncate(kept)
    return file.open("a", encoding="utf-8", newline=newline)


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
    from pipeline.inference.faces import crop_faces

    if kind == "crops":
        files = [
            write_image(named(stem, f"_face{number}"), crop)
            for number, crop in enumerate(crop_faces(image, faces.boxes), 1)
        ]
        return f"{len(files)} in {stem.parent}"
    return str(write_image(stem, changed(kind, image, faces)))


def changed(kind: str, image: Any, faces: ScoredBoxes) -> Any:
    """Returns a copy of uint8 [H, W, 3] BGR with faces drawn ("out") or blurred ("blur")."""
    from pipeline.inference.draw import draw
    from pipeline.inference.faces import blur_faces

    if kind == "blur":
        return blur_faces(image, faces.boxes)
    return draw(image, faces.boxes, faces.scores, faces.landmarks)


def stems_of(images: Sequence[Path], known: Mapping[Path, str] | None = None) -> list[str]:
    """Returns a name for the files of each image; images of one name in several folders are numbered.

    Those in ``known`` keep theirs, which no other image gets.
    """
    given = known or {}
    taken, stems = set(given.values()), list[str]()
    others: dict[str, Any] = {}
    for path in images:
        if path in given:
            stems.append(given[path])
            continue
        # Counted on from the last number of a name, so that a thousand folders of one name are a thousand steps.
        names = others.setdefault(path.stem, chain([path.stem], map(f"{path.stem}_{{}}".format, count(2))))
        stems.append(next(stem for stem in names if stem not in taken))
        taken.add(stems[-1])
    return stems


def named(stem: Path, suffix: str) -> Path:
    """Returns a path with a text added to its name."""
    return stem.with_name(stem.name + suffix)
