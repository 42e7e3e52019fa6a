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
        write: (predictions in pixels, target, options) -> a line on each thing that is lost. What ``target`` may be, a
            file or a folder, is in ``target_words``.
        target_words: what is written, such as "a .json file".
        endings: of the file that is written; empty for a folder.
        names_empty: whether it can name an image without detections, so that an absent one is worth a word.
        one_sequence: whether the boxes of all images are one sequence, whose order decides between equal scores of
            different images; else the order of the labels does.
        needs_sizes: whether it is only written where the size of every image with boxes is known.
    """

    words: str
    layout: str
    matches: Callable[[Contents], bool]
    read: Callable[[Path, ReadOptions], PredictionTable]
    write: Callable[[PredictionTable, Path, WriteOptions], list[str]]
    target_words: str
    endings: tuple[str, ...] = ()
    names_empty: bool = True
    one_sequence: bool = False
    needs_sizes: bool = False
