"""Runs of a config under faults, submitted until each ends, and compared with a quiet one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jobs.soaking.comparison import Contents, contents, difference
from jobs.soaking.faults import Fault
from jobs.soaking.figures import Happened, Log, Passed
from jobs.soaking.scene import CONFIG, Scene
from jobs.soaking.schedule import Schedule
from pipeline.engine.storage import Store

SECONDS_BETWEEN_CHECKS: Final = 0.25
SECONDS_BEFORE_ANOTHER_TRY: Final = 1.0
"""Before a run is submitted again, and where a fault had nothing to hit."""

MOST_ENDS_BY_THEMSELVES: Final = 3
SECONDS_WITHOUT_PROGRESS: Final = 600.0


class SoakFailed(RuntimeError):
    """A run does not end well, however often it is submitted."""


@dataclass
class _Pending:
    """A fault that work has not gone on after."""

    happened: Happened
    fault: Fault
    since: float
    until: float  # of what lasts
    before: set[tuple[str, int]] | None = None  # what there was when it had ended


class Disturbed:
    """Passes under faults, one after the other.

    Attributes:
        happened: all faults so far.
        passes: those that ended.
        problems: what no fault explains, a line each.
    """

    def __init__(
        self, scene: Scene, schedule: Schedule, faults: Mapping[str, Fault], quiet: Contents, log: Log, minutes: float
    ) -> None:
        """Begins the minutes: no fault is injected after them."""
        self._scene, self._schedule, self._faults, self._quiet, self._log = scene, schedule, faults, quiet, log
        self._end = time.monotonic() + 60 * minutes
        self._due = time.monotonic() + schedule.seconds()
        self._pending: list[_Pending] = []
        self._seen, self._progress = set[tuple[str, int]](), time.monotonic()
        self.happened: list[Happened] = []
        self.passes: list[Passed] = []
        self.problems: list[str] = []

    @property
    def over(self) -> bool:
        """Whether the minutes are over."""
        return time.monotonic() >= self._end

    def run(self, place: str, store: Store) -> Passed:
        """Runs the config in an empty store until it has ended well; returns what came of it.

        Raises:
            SoakFailed: the run fails again and again without a fault, or nothing is finished for minutes.
        """
        scene, begun, submissions, own_ends = self._scene, time.monotonic(), 0, 0
        scene.store, self._place, self._seen, self._progress = store, place, set(), time.monotonic()
        while True:
            code = self._submitted()
            submissions += 1
            if code == 0:
                break
            if not self._explained(code):
                own_ends += 1
                self.problems.append(f"{place}: submission {submissions} ended with {code} though no fault explains it")
                self._log(f"{time.strftime('%H:%M:%S')}  {self.problems[-1]}: {self._last_line()}")
            if own_ends == MOST_ENDS_BY_THEMSELVES:
                raise SoakFailed(
                    f"{place}: {own_ends} submissions failed, and no fault explains it; see {self._output}"
                )
            time.sleep(SECONDS_BEFORE_ANOTHER_TRY)
        self._settle(everything=True)
        damaged = scene.damaged(self._output)
        if damaged:
            submissions += 1
            if (code := self._submitted(quiet=True)) or scene.damaged(self._output):
                raise SoakFailed(f"{place}: what is damaged is not computed again ({code}); see {self._output}")
        found = contents(store, CONFIG)
        unlike = difference(found, self._quiet)
        seconds = time.monotonic() - begun
        self.passes.append(Passed(place, seconds, submissions, damaged, found.count, len(found.files), unlike))
        self._log(self.passes[-1].line())
        for line in unlike.names[:20]:
            self._log(f"    {line}")
        return self.passes[-1]

    def stop(self) -> None:
        """Ends the run that is under way, and what lasts."""
        self._scene.kill_driver()
        for each in self._pending:
            if each.before is None and each.until > each.since:
                each.fault.end(self._scene)

    @property
    def _output(self) -> str:
        return str(self._scene.folder / f"{self._place.replace(' ', '-')}.log")

    def _submitted(self, quiet: bool = False) -> int:
        """Returns the exit code of one submission, with faults while it runs."""
        driver = self._scene.submit(self._output)
        for each in self._pending:
            if each.fault.ends_run and each.before is not None:
                each.before = self._scene.written()  # what an ended run's workers still finished is no recovery
        while driver.poll() is None:
            self._settle()
            for process in self._scene.replace_ended():
                self._log(
                    f"{time.strftime('%H:%M:%S')}  {self._place}  the raylet of process {process} ended by itself; "
                    "another machine was started"
                )
            now = time.monotonic()
            if not quiet and now >= self._due and not self.over and not self._lasting():
                self._inject()
            if now - self._progress > SECONDS_WITHOUT_PROGRESS:
                raise SoakFailed(
                    f"{self._place}: nothing was finished for {now - self._progress:.0f} s; see {self._output}"
                )
            time.sleep(SECONDS_BETWEEN_CHECKS)
        return driver.returncode

    def _lasting(self) -> bool:
        return any(each.before is None for each in self._pending)

    def _inject(self) -> None:
        possible = [name for name, each in self._faults.items() if each.possible(self._scene)]
        kind = self._schedule.kind(possible)
        if kind is None:
            self._due = time.monotonic() + SECONDS_BEFORE_ANOTHER_TRY
            return
        fault, at = self._faults[kind], time.time()
        what = fault.begin(self._scene)
        now = time.monotonic()
        if not what:
            self._schedule.give_back(kind)
            self._due = now + SECONDS_BEFORE_ANOTHER_TRY
            return
        seconds = self._scene.chance.uniform(*fault.lasts)
        happened = Happened(kind, f"{what}, for {seconds:.0f} s" if seconds else what, self._place, at)
        before = None if seconds else self._scene.written()
        self.happened.append(happened)
        self._pending.append(_Pending(happened, fault, now, now + seconds, before))
        self._due = now + self._schedule.seconds()

    def _settle(self, everything: bool = False) -> None:
        """Ends what has lasted long enough, and notes after which faults work goes on; `everything`: the run ended."""
        now, written = time.monotonic(), self._scene.written()
        if written - self._seen:
            self._seen, self._progress = self._seen | written, now
        for each in list(self._pending):
            if each.before is None and (everything or now >= each.until):
                each.fault.end(self._scene)
                each.until, each.before = now, written
            if each.before is not None and (everything or written - each.before):
                each.happened.recovered = now - each.until
                self._pending.remove(each)
                self._log(each.happened.line())

    def _explained(self, code: int) -> bool:
        """Returns whether work has not gone on yet after a fault that may end a run, and notes the end there."""
        for each in reversed([pending for pending in self._pending if pending.fault.may_end_run]):
            each.happened.ended_run = True
            if not each.fault.ends_run:
                self._log(f"{time.strftime('%H:%M:%S')}  {self._place}  the run ended with {code}: {self._last_line()}")
            return True
        return False

    def _last_line(self) -> str:
        with open(self._output, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1][:300] if lines else "it printed nothing"
