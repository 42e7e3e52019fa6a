"""What a form of predictions consists of: how it is recognised, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.table import PredictionTable


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader of predictions may be given.

    Attributes:
        ids: COCO's id of an image -> its name.
        category: class number, ``category_id`` or name of the detections that are faces; None where all have one.
    """

    ids: Mapping[int | str, str] = field(default_factory=dict)
    category: str | None = None


PLAIN: Final = ReadOptions()
"""Neither ids nor a category."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a writer of predictions may be given.

    Attributes:
        ids: name of an image -> COCO's id.
    """

    ids: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PredictionForm:
    """One form of predictions.

    Attributes:
        words: its name for people.
        layout: of the box as it is written, an entry of `prediction_format.LAYOUTS`.
        matches: what is at a path -> whether it is of this form.
        read: (path, options) -> predictions. Raises OSError, ValueError: one line with file, place, expected and found.
        write: (predictions in pixels, file or folder, options) -> a line on each thing that is lost.
        endings: of a file that it may be written as; ``.txt`` has all images in it.
        folder: whether it may be written as a folder.
        text_per_image: whether a folder or an archive has a text named after each image, without its ending.
        has_classes: whether a detection can have a class.
        names_empty: whether it can name an image without detections, so that an absent one is worth a word.
        one_sequence: whether the boxes of all images are one sequence, whose order decides between equal scores of
            different images; else the order of the labels does.
        holds_sizes: whether it has the size of each image, where that is known.
        needs_sizes: whether it is only written where the size of every image with boxes is known.
    """

    words: str
    layout: str
    matches: Callable[[Contents], bool]
    read: Callable[[Path, ReadOptions], PredictionTable]
    write: Callable[[PredictionTable, Path, WriteOptions], list[str]]
    endings: tuple[str, ...] = ()
    folder: bool = False
    text_per_image: bool = False
    has_classes: bool = False
    names_empty: bool = True
    one_sequence: bool = False
    holds_sizes: bool = False
    needs_sizes: bool = False

    @property
    def target_words(self) -> str:
        """What it may be written as."""
        files = f"a file that ends in {' or '.join(self.endings)}" if self.endings else ""
        return " or ".join(filter(None, ["an empty folder" if self.folder else "", files]))
