"""What the nodes that run side by side in this process claim of the cluster, and the share that each of them has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from pipeline.engine.capacity import Machine
from pipeline.engine.shares import Claim, fair_shares

SECONDS_SETTLED = 5.0


class Claims:
    """Claims by the name of their node's run, in the order in which the nodes began. Used by several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Holds none yet; `clock` gives seconds."""
        self._claims = dict[str, Claim]()
        self._guard, self._clock, self._changed = Lock(), clock, clock()

    @contextmanager
    def hold(self, name: str, claim: Claim) -> Iterator[None]:
        """Counts a claim while the context is open."""
        self.update(name, claim)
        try:
            yield
        finally:
            self.drop(name)

    def update(self, name: str, claim: Claim) -> None:
        """Adds a claim, or replaces it."""
        with self._guard:
            if name not in self._claims:
                self._changed = self._clock()
            self._claims[name] = claim

    def drop(self, name: str) -> None:
        """Removes a claim, if it is there."""
        with self._guard:
            if self._claims.pop(name, None):
                self._changed = self._clock()

    def share(self, name: str, machines: Mapping[str, Machine]) -> dict[str, int]:
        """Returns the id of a machine -> how many workers a claim has there, for those where it has some."""
        with self._guard:
            names, claims = list(self._claims), list(self._claims.values())
        counts = fair_shares(claims, list(machines.values()))[names.index(name)]
        return {machine: count for machine, count in zip(machines, counts, strict=True) if count}

    def beside(self, name: str) -> int:
        """Returns how many other claims there are."""
        with self._guard:
            return len(self._claims.keys() - {name})

    def report(self, name: str, running: int, share: int) -> None:
        """Notes how many workers of a claim run; other than its share, all of them are not settled."""
        with self._guard:
            if running != share:
                self._changed = self._clock()

    def settled(self) -> bool:
        """Returns whether for a while every claim has had its share.

        Before that, a worker that is asked for above the share might take the room that another's share waits for.
        """
        with self._guard:
            return len(self._claims) == 1 or self._clock() - self._changed >= SECONDS_SETTLED
