"""When the next fault comes, and which: random, of a seed, and each kind as often as the others."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable


class Schedule:
    """Draws faults. The same seed and the same possibilities give the same draws."""

    def __init__(self, seed: int, kinds: Iterable[str], least: float, most: float) -> None:
        """Draws nothing yet.

        Args:
            seed: of all draws.
            kinds: names of faults.
            least: seconds between two faults, at least.
            most: at most.

        Raises:
            ValueError: no kind, or seconds that are no range.
        """
        self._random, self._counts = random.Random(seed), Counter(dict.fromkeys(kinds, 0))
        if not self._counts:
            raise ValueError("expected at least one kind of fault, found none")
        if not 0 < least <= most:
            raise ValueError(f"seconds between faults: expected 0 < least <= most, found {least:g} and {most:g}")
        self._least, self._most = least, most

    def seconds(self) -> float:
        """Returns the seconds until the next fault."""
        return self._random.uniform(self._least, self._most)

    def kind(self, possible: Collection[str]) -> str | None:
        """Returns one of the kinds that are possible now, of those drawn least often; None where none is."""
        counts = {kind: count for kind, count in self._counts.items() if kind in possible}
        if not counts:
            return None
        fewest = min(counts.values())
        chosen = self._random.choice(sorted(kind for kind, count in counts.items() if count == fewest))
        self._counts[chosen] += 1
        return chosen

    def give_back(self, kind: str) -> None:
        """Takes back the last draw of a kind: there was nothing that it could have hit."""
        self._counts[kind] -= 1
