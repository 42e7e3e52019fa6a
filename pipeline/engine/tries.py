"""What was tried of a shard or a whole stage in one run: a small file by which the next try knows how others ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Final

from pipeline.engine.machine_memory import kernel_kills
from pipeline.engine.storage import Store

TOO_LONG: Final = "no result within the time limit"
MORE_MEMORY: Final = "reserve what it takes with run.memory_gb, or give it a machine with more"


@dataclass
class Try:
    """One try of a shard, as it was last known.

    Attributes:
        machine: its name.
        kills: of `kernel_kills` there when it began.
        key: of the item in work where the items go one by one; None where several are, or none.
        overdue: seconds without a row after which it was ended; 0: it ended otherwise.
        limit: on those seconds.
        shortage: of `memory_shortage` while it ran, if there was one.
    """

    machine: str
    kills: int
    key: str | None = None
    overdue: float = 0.0
    limit: float = 0.0
    shortage: str = ""


@dataclass
class Tries:
    """The tries of one shard; the newest is this process's own. Safe to call from the thread that watches it.

    Attributes:
        store, name: of their file.
        earlier: those that ended, in their order.
        own: this one.
    """

    store: Store
    name: str
    earlier: list[Try]
    own: Try
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def begin(cls, store: Store, name: str, machine: str) -> Tries:
        """Reads the tries before this one and adds it to the file."""
        tries = cls(store, name, [], Try(machine, kernel_kills()))
        if store.create(name, tries._data()):  # a single request where this is the first
            return tries
        data = store.read_or_none(name)
        tries.earlier = [Try(**fields) for fields in json.loads(data)] if data else []
        for before, after in pairwise([*tries.earlier, tries.own]):
            if not before.shortage and before.machine == after.machine and before.kills < after.kills:
                before.shortage = "the kernel ended a process for lack of memory"
        tries._save()
        return tries

    def at(self, key: str | None) -> None:
        """Notes the item that is computed now, alone; None: what follows is of none of the items."""
        with self._guard:
            self.own.key = key
            self._save()

    def ended_overdue(self, seconds: float, limit: float) -> None:
        """Notes that this try is ended because no row came within the limit."""
        with self._guard:
            self.own.overdue, self.own.limit = round(seconds, 1), round(limit, 1)
            self._save()

    def short_of_memory(self, shortage: str) -> None:
        """Notes that memory is short now."""
        with self._guard:
            self.own.shortage = shortage
            self._save()

    def error_of(self, key: str, deaths: int) -> str | None:
        """Returns why an item is given up, or None while it is not: one overdue try of it alone, or `deaths` others."""
        mine = [each for each in self.earlier if each.key == key]
        overdue = [each for each in mine if each.overdue]
        if overdue:
            return f"{TOO_LONG} of {overdue[-1].limit:g} s: its worker was ended after {overdue[-1].overdue:g} s"
        if len(mine) < deaths:
            return None
        return f"its worker process died {deaths + 1} times on it{_cause(mine)}"

    def give_up(self, restarts: int) -> None:
        """Raises ValueError where more tries than `restarts` died that no item in work alone is known to have ended."""
        died = [each for each in self.earlier if each.key is None and not each.overdue]
        if len(died) > restarts:
            cause = _cause(died)
            advice = f"; {MORE_MEMORY}" if cause else ""
            raise ValueError(f"its process died {len(died)} times{cause}{advice}")

    def _data(self) -> bytes:
        return json.dumps([asdict(each) for each in (*self.earlier, self.own)]).encode()

    def _save(self) -> None:
        self.store.write(self.name, self._data())


def _cause(died: Sequence[Try]) -> str:
    shortage = next((each.shortage for each in reversed(died) if each.shortage), "")
    return f", probably out of memory: {shortage}" if shortage else ""
