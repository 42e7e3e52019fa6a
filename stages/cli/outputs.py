"""The files that a command writes: checked before the work, written after it."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.redaction import without_keys

if TYPE_CHECKING:
    from pipeline.engine.graph import Graph
    from pipeline.engine.storage import Store


@dataclass(frozen=True, slots=True)
class Outputs:
    """What `--json` and `--report` name, None where one is not given."""

    json: Path | None
    report: Path | None

    def require(self, inputs: Iterable[Path]) -> None:
        """Raises ValueError where a file cannot be written, or would replace an input, see `require_files`."""
        require_files({"--json": self.json, "--report": self.report}, inputs)

    def write(self, figures: Callable[[], str], page: Callable[[], str]) -> None:
        """Writes the files that are asked for and prints where they are; the others are not made."""
        if self.json:
            self.json.write_text(figures(), encoding="utf-8")
            print(f"all digits: {self.json}")
        if self.report:
            self.report.write_text(page(), encoding="utf-8")
            print(f"page: {self.report}")


def typed_command() -> str:
    """Returns the command as it was typed, without keys."""
    return shlex.join(["wider8k", *map(without_keys, sys.argv[1:])])


def require_files(outputs: Mapping[str, Path | None], inputs: Iterable[Path] = ()) -> None:
    """Raises ValueError where a file cannot be written, would replace an input, or two options name the same one.

    Args:
        outputs: option, as it is typed -> file, None where it is not given.
        inputs: what the command reads.
    """
    given = {option: file for option, file in outputs.items() if file is not None}
    read = [Path(each) for each in inputs]
    for option, file in given.items():
        _require_file(option, file)
        if any(_same(file, each) for each in read):
            raise ValueError(f"{option} {file}: expected another file than what is read, found the same")
        for other, earlier in given.items():
            if other == option:
                break
            if _same(file, earlier):
                raise ValueError(f"{option} {file}: expected another file than that of {other}, found the same")


def require_folder(option: str, folder: Path) -> None:
    """Raises ValueError where a folder cannot be made or nothing can be written into it; makes none."""
    above = folder.absolute()
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise ValueError(f"{option} {folder}: expected a folder, found that {above} is none")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise ValueError(f"{option} {folder}: nothing can be written into {above} ({error.strerror})") from None


def require_exports(graph: Graph, store: Store) -> None:
    """Raises ValueError where a store on disk cannot take what its nodes write, pages at its top included."""
    if not store.local:
        return
    require_folder("store", Path(store.url))
    for name, node in graph.nodes.items():
        if Path(store.path(name)).is_file():
            raise ValueError(f"{name}: expected a folder for its rows, found the file {store.path(name)}: move it away")
        for file in (Path(store.path(exported)) for exported in node.stage.exports(name)):
            if os.path.isdir(file):  # a path's own method raises for a name that is too long
                raise ValueError(f"{name}: it writes {file}, found a folder of that name: move it away")


def _require_file(option: str, file: Path) -> None:
    if os.path.isdir(file):  # a path's own method raises for a name that is too long
        raise ValueError(f"{option} {file}: expected a file in a folder that exists, found a folder")
    if not os.path.isdir(file.parent):
        raise ValueError(f"{option} {file}: expected a file in a folder that exists, found no folder {file.parent}")
    exists = os.path.lexists(file)
    if os.path.exists(file) and not os.path.isfile(file):
        return  # a pipe or a terminal
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o666))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"{option} {file}: it cannot be written ({reason})") from None
    if not exists:
        file.unlink()


def _same(one: Path, other: Path) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)
