"""Text that counts how often it is read: work that grows with the square shows without a clock."""

from __future__ import annotations

from typing import ClassVar


class Counted(str):
    """A text that adds one to `looks` whenever it is compared or hashed."""

    __slots__ = ()
    looks: ClassVar[int] = 0

    def __eq__(self, other: object) -> bool:
        Counted.looks += 1
        return str.__eq__(self, other)  # type: ignore[arg-type]

    def __hash__(self) -> int:
        Counted.looks += 1
        return str.__hash__(self)


def counted(names: list[str]) -> list[str]:
    """Returns the names as texts that count, from zero."""
    Counted.looks = 0
    return [Counted(name) for name in names]
