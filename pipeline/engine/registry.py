"""Named entries of one kind, found by exact name; an unknown name is answered with the nearest one and all choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """A read-only mapping whose `find` has one error message for all kinds.

    Example: `find("mogfac")` raises "no detector is called 'mogfac' (did you mean 'mogface'?; choices: ...)".
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        """Args: what an entry is called in messages, e.g. "detector"; the entries by name, in the order of a list."""
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        """Returns the entry; KeyError without one. For a user's names see `find`."""
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Yields the names in the order given."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Returns the number of entries."""
        return len(self._entries)

    def find(self, name: str) -> T:
        """Returns the entry of a name that a user gave.

        Raises:
            ValueError: there is none; the message has the nearest name and the choices.
        """
        if name in self._entries:
            return self._entries[name]
        near = difflib.get_close_matches(name, self._entries, n=1)
        meant = f"did you mean {near[0]!r}?; " if near else ""
        raise ValueError(f"no {self.kind} is called {name!r} ({meant}choices: {', '.join(self._entries)})")

    def known(self, name: str) -> str:
        """Returns the name itself, for a pydantic field that holds one; raises ValueError as `find` does."""
        self.find(name)
        return name
