"""How long a node of a graph waits for a machine, and what it prints meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pipeline.engine.capacity import Machine, inventory, room_for, wanted
from pipeline.engine.runner import NodeFailed

DEFAULT_MINUTES = 10.0
SECONDS_OF_DOUBT = 30.0  # before an autoscaler's word that it has no such machine counts


class Waiting:
    """The patience of one node while the cluster has no room for a worker of it, or not for all that start together.

    It counts what machines have in all: one that is there and busy is no reason to end.
    """

    def __init__(
        self,
        node: str,
        worker: Machine,
        minutes: float,
        log: Callable[[str], None],
        cannot_be_started: Callable[[Machine], bool] = lambda worker: False,
        count: int = 1,
        since: dict[tuple[Machine, int], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Waits for nothing yet.

        Args:
            node: its name.
            worker: what a worker takes of its machine.
            minutes: how long there may be no room, at most.
            log: takes a line when the wait begins and ends.
            cannot_be_started: whether the cluster reports by now that no machine for such a worker can ever join.
            count: workers that there must be room for.
            since: when the wait for each kind of room began, shared by the nodes of a run: what one has waited for in
                vain, the next one does not wait for once more.
            clock: seconds that only count on; the time of day may be set meanwhile.
        """
        self._node, self._worker, self._minutes, self._log = node, worker, minutes, log
        self._cannot_be_started, self._count, self._clock = cannot_be_started, count, clock
        self._since = {} if since is None else since
        self._waits = False

    def check(self, machines: Iterable[Machine]) -> None:
        """Prints a line where a wait begins or ends.

        Raises NodeFailed, with what was missing, once it has lasted too long or is known to be in vain.
        """
        there, now = tuple(machines), self._clock()
        room, kind = room_for(self._worker, there), (self._worker, self._count)
        if room >= self._count:
            since = self._since.pop(kind, now)
            if self._waits:
                self._log(f"{self._node}: a machine has joined after {_duration(now - since)}; it goes on")
            self._waits = False
            return
        waited = now - self._since.setdefault(kind, now)
        which = "a worker" if self._count == 1 else f"{self._count} workers"
        lacking = f"room for {which} of {wanted(self._worker)}"
        if not self._waits and waited < 60 * self._minutes:
            self._waits = True
            until = time.strftime("%H:%M:%S", time.localtime(time.time() - waited + 60 * self._minutes))
            begins = f"no machine of the cluster has {lacking}" if self._count == 1 else f"the cluster has no {lacking}"
            self._log(f"{self._node}: {begins} ({inventory(there)}); waiting until {until} for one that joins")
        if waited >= 60 * self._minutes:
            raise NodeFailed(
                f"no machine joined within {_duration(60 * self._minutes)} (--wait-minutes), and the cluster has no "
                f"{lacking} ({inventory(there)}); {_KEPT}"
            )
        if waited >= SECONDS_OF_DOUBT and room < 1 and self._cannot_be_started(self._worker):
            raise NodeFailed(
                f"the cluster's autoscaler has no kind of machine with {lacking}; add one to its configuration, or "
                f"change {self._node}.run; {_KEPT}"
            )


_KEPT = "what is finished is kept, and the same command goes on from it"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.3g} min"
