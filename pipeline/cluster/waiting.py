"""How long a node of a graph waits for a machine, and what it prints meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pipeline.engine.capacity import Machine, inventory, room_for, wanted
from pipeline.engine.runner import NodeFailed

DEFAULT_MINUTES = 10.0
SECONDS_OF_DOUBT = 30.0  # before an autoscaler's word that it has no such machine counts


class Waiting:
    """The patience of one node while no machine of the cluster has room for a worker of it.

    It counts what machines have in all: one that is there and busy is no reason to end.
    """

    def __init__(
        self,
        node: str,
        worker: Machine,
        minutes: float,
        log: Callable[[str], None],
        cannot_be_started: Callable[[Machine], bool] = lambda worker: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Waits for nothing yet.

        Args:
            node: its name.
            worker: what a worker takes of its machine.
            minutes: how long no machine may have room, at most.
            log: takes a line when the wait begins and ends.
            cannot_be_started: whether the cluster reports by now that no such machine can ever join.
            clock: seconds; the time of day is made of them.
        """
        self._node, self._worker, self._minutes, self._log = node, worker, minutes, log
        self._cannot_be_started, self._clock = cannot_be_started, clock
        self._since: float | None = None

    def check(self, machines: Iterable[Machine]) -> None:
        """Prints a line where a wait begins or ends.

        Raises NodeFailed, with what was missing, once it has lasted too long or is known to be in vain.
        """
        there, now = tuple(machines), self._clock()
        if room_for(self._worker, there) >= 1:
            if self._since is not None:
                self._log(f"{self._node}: a machine has joined after {_duration(now - self._since)}; it goes on")
            self._since = None
            return
        if self._since is None:
            self._since = now
            until = time.strftime("%H:%M:%S", time.localtime(now + 60 * self._minutes))
            self._log(
                f"{self._node}: no machine of the cluster has room for a worker of {wanted(self._worker)} "
                f"({inventory(there)}); waiting for one until {until}"
            )
        waited = now - self._since
        if waited >= 60 * self._minutes:
            raise NodeFailed(
                f"no machine with room for a worker of {wanted(self._worker)} joined within "
                f"{_duration(60 * self._minutes)} (--wait-minutes); {_KEPT}"
            )
        if waited >= SECONDS_OF_DOUBT and self._cannot_be_started(self._worker):
            raise NodeFailed(
                f"the cluster's autoscaler has no kind of machine with room for a worker of {wanted(self._worker)}; "
                f"add one to its configuration, or change {self._node}.run; {_KEPT}"
            )


_KEPT = "finished shards are kept, and the same command goes on from them"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.3g} min"
