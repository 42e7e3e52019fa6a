"""Lists of images as repositories publish them: a name a line, with or without folder and ending, ``#`` comments."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.image_names import NameIndex, plain_name
from pipeline.data.text_lines import read_lines


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images that a list names.

    Attributes:
        image_ids: of the known images, each once, in the order of the list.
        unknown: names that belong to no known image.
    """

    image_ids: tuple[str, ...]
    unknown: tuple[str, ...]


def read_image_list(file: Path) -> list[str]:
    """Returns the names of a list with forward slashes and without ``./``; any line ending, with a BOM or without.

    Raises OSError: the file cannot be read; ValueError: it is no UTF-8, or names nothing.
    """
    names = [plain_name(line) for line in read_lines(file) if not line.startswith("#")]
    if not (names := [name for name in names if name]):
        raise ValueError(f"{file} lists no image")
    return names


def match_image_list(file: Path, image_ids: Collection[str]) -> ImageList:
    """Returns which of the images a list names; names are compared as by `NameIndex`.

    Raises OSError: the file cannot be read; ValueError: it names none of the images, or a name may be several of them.
    """
    index = NameIndex(image_ids)
    found, unknown = dict[str, None](), dict[str, None]()
    for name in read_image_list(file):
        try:
            image_id = index.find(name)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        (unknown if image_id is None else found)[image_id or name] = None
    if not found:
        first, expected = next(iter(unknown)), next(iter(image_ids), "none")
        raise ValueError(f"{file}: expected names of images such as {expected}, found none: {first} and the like")
    return ImageList(tuple(found), tuple(unknown))
