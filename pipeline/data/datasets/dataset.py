"""The interface of a dataset: list its images cheaply, read one into a `Sample`, and return its compressed bytes.

A dataset is a frozen pydantic model whose fields are its parameters. Its folder on a machine (``root``) is an argument
of its methods and never stored, so that the same data on another disk is the same data.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

import pyarrow as pa
import yaml
from pydantic import ConfigDict

from pipeline.data.datasets.entries import Entry
from pipeline.data.file_bytes import MOST_BYTES, read_file
from pipeline.data.file_path import FilePath, file_path
from pipeline.data.records import Sample
from pipeline.engine.literal_yaml import LiteralModel
from pipeline.engine.stage import NODE

Reader = Callable[[Entry], Sample]
Log = Callable[[str], None]


def no_log(line: str) -> None:
    """Takes a line and drops it."""


def set_option(field: str, value: str) -> str:
    """Returns how a parameter of the dataset is set on the command line, for a message."""
    typed = f"{NODE}.dataset.{field}={value}"
    return f"--set {typed}" if re.fullmatch(r"[\w.+-]+", value) else f"--set '{typed}'"


def require_folder(root: str) -> FilePath:
    """Returns ``root`` as a path; whether there are objects in a store is seen when it is listed.

    Raises FileNotFoundError: it is not a folder; ValueError: it is a URL of another kind, or has unknown options.
    """
    folder = file_path(root)
    if isinstance(folder, Path) and (not root or not folder.is_dir()):
        raise FileNotFoundError(f"dataset folder {root!r} does not exist")
    return folder


def leaves_folder(name: str) -> bool:
    """Returns whether a path, forward slashes, is absolute or goes above the folder that it is relative to."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def below_root(value: str) -> str:
    """Returns a path of a parameter. Raises ValueError: it is not relative to the dataset's root, or leaves it."""
    if leaves_folder(value):
        raise ValueError(f"{value!r} must be relative to the dataset's root")
    return value


def category_names(value: object) -> object:
    """Returns a parameter that names categories, ``[a, b]`` as typed on a command line as a tuple of texts."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = yaml.safe_load(value)
    if isinstance(value, list | tuple):
        return tuple(str(each) for each in value)
    return str(value) if isinstance(value, int) else value


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
    def entries(self, root: str, log: Log = no_log) -> Sequence[Entry]:
        """Returns every image, sorted by ``image_id``, without decoding one; of large sets as `Entries`.

        Args:
            root: the dataset's folder, a path or ``s3://bucket/prefix``; ignored unless ``needs_root``.
            log: takes a line on skipped files.

        Raises FileNotFoundError: the folder, an annotation file or listed images are not there; ValueError: an
        annotation is malformed; the message says where, what was expected and what was found.
        """

    @abstractmethod
    def open(self, root: str) -> Reader:
        """Returns a reader, made once per worker, that turns an entry into a `Sample`.

        Reading an entry reads its file once, for size and content hash. An unreadable image gives a sample with
        ``error`` set, width and height 0 and its faces kept.

        Raises FileNotFoundError, ValueError: as `entries`.
        """

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns one line per kind of oddity of the set, once all its images are read.

        Args:
            root: the dataset's folder.
            samples: tables of `schemas.SAMPLES`, every row once.

        Raises ValueError: labels contradict the images; the message names file, field, expected, found, and the
        parameter that helps.
        """
        return []

    def image_bytes(self, root: str, sample_path: str, most: int = MOST_BYTES) -> bytes:
        """Returns the compressed image that `Sample.path` names: by default, the bytes of that file below the root.

        Raises OSError: the file cannot be read; ValueError: it is no regular file, or has more than ``most`` bytes,
        which is known before any is read.
        """
        return read_file(require_folder(root) / sample_path, most)
