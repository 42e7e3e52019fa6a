"""What every dataset can do: list its images cheaply, read one into a `Sample`, and hand out its compressed bytes.

A dataset is a frozen pydantic model whose fields are its parameters. Where it lies on a machine (``root``) is given to
its methods and never stored, so that the same data on another disk is the same data.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

import pyarrow as pa
from pydantic import ConfigDict

from pipeline.data.records import Sample
from pipeline.engine.literal_yaml import LiteralModel


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a dataset, known without opening it.

    Attributes:
        image_id: unique name within the dataset.
        path: file relative to the root, forward slashes (a name only, where nothing lies on disk).
        version: changes when the image file or its own labels change; compares equal as long as neither did.
    """

    image_id: str
    path: str
    version: str


Reader = Callable[[Entry], Sample]
Log = Callable[[str], None]

NODE: Final = "<node>"
"""Stands in messages for the node whose parameter helps; who knows its name puts it in (`named`)."""


def quiet(line: str) -> None:
    """Takes a line and says nothing."""


def setting(field: str, value: str) -> str:
    """Returns how a parameter of the dataset is set on the command line, for a message."""
    typed = f"{NODE}.dataset.{field}={value}"
    return f"--set {typed}" if re.fullmatch(r"[\w.+-]+", value) else f"--set '{typed}'"


def named(message: str, node: str) -> str:
    """Returns a message with the node's name where `NODE` stands."""
    return message.replace(NODE, node)


class Dataset(LiteralModel, ABC):
    """A set of images and, where it has them, their faces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash_is_of_bytes: ClassVar[bool] = True
    """Whether `Sample.content_hash` is of what `image_bytes` gives; False: it is of how the image is made."""

    levels: ClassVar[tuple[str, ...]] = ()
    """The subsets ("easy", "medium", "hard") that its faces are sorted into; empty without labels."""

    @property
    def needs_root(self) -> bool:
        """Whether a folder has to be given; False where the images are made on the fly."""
        return True

    @abstractmethod
    def entries(self, root: str, say: Log = quiet) -> list[Entry]:
        """Returns every image, sorted by ``image_id``, without decoding one.

        Args:
            root: the dataset's folder; ignored unless ``needs_root``.
            say: takes a line on what is passed over.

        Raises:
            FileNotFoundError: the folder, an annotation file or listed images are not there.
            ValueError: an annotation is malformed; the message says where, what was expected and what was found.
        """

    @abstractmethod
    def open(self, root: str) -> Reader:
        """Returns a reader, made once per worker, that turns an entry into a `Sample`.

        Reading an entry reads its file once; size and digest come from those bytes. An unreadable image gives a sample
        with ``error`` set, width and height 0 and its faces kept.

        Raises:
            FileNotFoundError, ValueError: as `entries`.
        """

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns lines on what is odd about the set, once all its images are read: one per kind of oddity.

        Args:
            root: the dataset's folder.
            samples: tables of `schemas.SAMPLES`, every row once.

        Raises:
            ValueError: what the set says of itself contradicts what its images are; the message names file, field, what
                was expected and found, and the parameter that helps.
        """
        return []

    @abstractmethod
    def image_bytes(self, root: str, sample_path: str) -> bytes:
        """Returns the compressed image that `Sample.path` names.

        Raises:
            OSError: the file cannot be read.
        """


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Returns the entries sorted by ``image_id``.

    Raises:
        ValueError: two entries share an ``image_id``.
    """
    ordered = sorted(entries, key=lambda entry: entry.image_id)
    for first, second in pairwise(ordered):
        if first.image_id == second.image_id:
            raise ValueError(f"image {first.image_id!r} is listed twice: as {first.path} and as {second.path}")
    return ordered
