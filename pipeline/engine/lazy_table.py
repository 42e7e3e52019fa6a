"""Things by name, each imported when it is first asked for: a process pays for what it uses of a long table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TypeVar, cast

T = TypeVar("T")


class LazyTable(MutableMapping[str, T]):
    """A mapping whose names, their order and their number are known without any import.

    Example: `LazyTable({"index": "stages.index.Index"})["index"]` imports `stages.index`.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        """Args: the module and name of each entry, as they are written in an import, with a dot between them."""
        self._places = dict[str, str | T](places)

    def __getitem__(self, name: str) -> T:
        """Returns an entry, imported now if it is not yet. Raises KeyError: there is none of this name."""
        found = self._places[name]
        if isinstance(found, str):
            module, _, attribute = found.rpartition(".")
            self._places[name] = found = cast(T, getattr(import_module(module), attribute))
        return found

    def __setitem__(self, name: str, entry: str | T) -> None:
        self._places[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._places[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places
