"""Named entries of one kind, found by exact name; an unknown name is answered with the nearest one and all choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class Registry(dict[str, T]):
    """A dict, not changed once it is made, whose `find` has one error message for all kinds.

    Example: `find("mogfac")` raises "no detector is called 'mogfac' (did you mean 'mogface'?; choices: ...)".
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        """Args: what an entry is called in messages, e.g. "detector"; the entries by name, in the order of a list."""
        super().__init__(entries)
        self.kind = kind

    def find(self, name: str) -> T:
        """Returns the entry of a name that a user gave.

        Raises:
            ValueError: there is none; the message has the nearest name and the choices.
        """
        if name in self:
            return self[name]
        raise ValueError(f"no {self.kind} is called {name!r}{nearest(name, self, listed=True)}")

    def known(self, name: str) -> str:
        """Returns the name itself, for a pydantic field that holds one; raises ValueError as `find` does."""
        self.find(name)
        return name


def nearest(word: str, choices: Iterable[str], listed: bool = False) -> str:
    """Returns ' (did you mean ...?)'; where nothing is near, or with `listed`, the choices in their order as well."""
    names = list(choices)
    hints = [f"did you mean {near!r}?" for near in difflib.get_close_matches(word, names, n=1)]
    if names and (listed or not hints):
        hints.append(f"choices: {', '.join(names)}")
    return f" ({'; '.join(hints)})" if hints else ""
