"""What is at a path that a user gives, by name and by the first bytes: enough to recognise the form of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from pipeline.data.datasets.wider_face.prediction_files import is_archive, members
from pipeline.engine.file_kind import HEAD, file_kind

_TEXTS: Final = 8  # opened of a folder or an archive
_HEAD: Final = 4096


@dataclass(frozen=True, slots=True)
class Contents:
    """What is at a path.

    Attributes:
        path: as given.
        single: whether it is one file, and no archive.
        heads: name below the path -> first characters, of some texts that are not empty; of a single file its own.
        others: names of all other files.
        kind: of a single file, in words.
    """

    path: Path
    single: bool
    heads: dict[str, str]
    others: tuple[str, ...] = ()
    kind: str = ""

    @property
    def head(self) -> str:
        """The beginning of a single file, "" of several."""
        return next(iter(self.heads.values()), "") if self.single else ""

    def lines(self) -> list[list[str]]:
        """Returns the whole first lines of each text that was opened, blank ones left out."""
        found = []
        for head in self.heads.values():
            lines = head.splitlines()[: -1 if len(head) >= _HEAD else None]
            found.append([line.strip() for line in lines if line.strip()])
        return found


def contents_of(path: Path) -> Contents:
    """Returns what is at a path.

    Raises FileNotFoundError: nothing is there; ValueError: it is an archive that cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"no predictions at {path}")
    if path.is_file() and not is_archive(path):
        with path.open("rb") as stream:
            data = stream.read(_HEAD)
        return Contents(path, True, {path.name: _text(data)}, kind=file_kind(data[:HEAD]))
    others = list[str]()
    texts = (each for each in members(path, others, name_all=True) if each.size)
    heads = {each.name: _text(each.read()[:_HEAD]) for each in islice(texts, _TEXTS)}
    return Contents(path, False, heads, tuple(others))


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")
