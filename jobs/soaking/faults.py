"""The faults of a soak, each with what it does to what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final

import psutil

from jobs.simulated.processes import command_of
from jobs.soaking.scene import FEWEST, MOST, Scene

CLOCK_SECONDS: Final = (-86_400.0, -3_600.0, -90.0, 90.0, 3_600.0, 86_400.0)


class Fault(ABC):
    """A kind of fault: what the others inherit.

    Attributes:
        name: of the kind, in options and tables.
        lasts: seconds between which its length is drawn; both 0 for what happens at once.
        ends_run: the run ends by it and has to be submitted again, however good the engine is.
        may_end_run: the run may fail by it; a failure after another kind of fault is a problem of the engine.
    """

    name: ClassVar[str]
    lasts: ClassVar[tuple[float, float]] = (0.0, 0.0)
    ends_run: ClassVar[bool] = False
    may_end_run: ClassVar[bool] = False

    def missing(self, scene: Scene) -> str:
        """Returns why this machine cannot have such a fault, "" where it can."""
        return ""

    def possible(self, scene: Scene) -> bool:
        """Returns whether it can happen now."""
        return True

    @abstractmethod
    def begin(self, scene: Scene) -> str:
        """Makes it happen; returns what was done to what, "" where there was nothing to do it to."""

    def end(self, scene: Scene) -> None:
        """Ends what lasts."""
        return  # what happens at once has no end


class WorkerKilled(Fault):
    """SIGKILL for a process of Ray's that has work: of a map stage, a training, a whole stage."""

    name: ClassVar[str] = "worker-killed"

    def begin(self, scene: Scene) -> str:
        """Kills one."""
        names = {each: command_of(each) for each in _children(scene)}
        busy = [each for each, name in names.items() if has_work(name)]
        if not busy:
            return ""
        victim = scene.chance.choice(sorted(busy, key=lambda each: each.pid))
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return ""
        return f"{names[victim].removeprefix('ray::').split()[0]} (process {victim.pid})"


class DriverKilled(Fault):
    """SIGKILL for the driver."""

    name: ClassVar[str] = "driver-killed"
    ends_run: ClassVar[bool] = True
    may_end_run: ClassVar[bool] = True

    def begin(self, scene: Scene) -> str:
        """Kills it."""
        if not scene.driver or scene.driver.poll() is not None:
            return ""
        scene.kill_driver()
        return f"process {scene.driver.pid}"


class MachineLost(Fault):
    """SIGKILL for a raylet and all that it has started."""

    name: ClassVar[str] = "machine-lost"

    def possible(self, scene: Scene) -> bool:
        """Where enough are left."""
        return len(scene.cluster.machines) > FEWEST

    def begin(self, scene: Scene) -> str:
        """Loses one."""
        lost = scene.lose_machine()
        return f"raylet of process {lost} with its workers, {len(scene.cluster.machines)} machines are left"


class MachineAdded(Fault):
    """A machine joins."""

    name: ClassVar[str] = "machine-added"

    def possible(self, scene: Scene) -> bool:
        """Up to a number."""
        return len(scene.cluster.machines) < MOST

    def begin(self, scene: Scene) -> str:
        """Adds one."""
        added = scene.add_machine()
        return f"raylet of process {added}, {len(scene.cluster.machines)} machines are there"


class ClockMoved(Fault):
    """The wall clock of one machine's Python processes, or of the driver's, jumps; see `clock/sitecustomize.py`."""

    name: ClassVar[str] = "clock-moved"

    def begin(self, scene: Scene) -> str:
        """Moves one; it stays so until it is moved again."""
        whose = scene.chance.choice(list(scene.clocks))
        seconds = scene.chance.choice(CLOCK_SECONDS)
        scene.clocks[whose].move(seconds)
        return f"{'of drivers' if whose is None else f'of the machine of process {whose}'} by {seconds:+g} s"


def has_work(command: str) -> bool:
    """Returns whether a process of this command line is a worker of Ray's that is not idle.

    Its agents, one of each per machine, are none: a raylet ends with them, which is the loss of a machine.
    """
    name = command.partition(" ")[0]
    return name.startswith("ray::") and name != "ray::IDLE" and not name.endswith("Agent")


def _children(scene: Scene) -> list[psutil.Process]:
    found = []
    for machine in scene.cluster.machines:
        try:
            found += psutil.Process(machine.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    return found


def by_name(*kinds: type[Fault]) -> Mapping[str, Fault]:
    """Returns name -> fault."""
    return {kind.name: kind() for kind in kinds}
