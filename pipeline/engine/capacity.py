"""Capacity of a cluster's machines, now and later, and whether the workers of nodes fit onto them.

A node needs room for one worker. `Resources.workers` is what it wishes: it starts with as many as there is room for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.engine.graph import Node
from pipeline.engine.stage import AUTO, MapStage, Resources


@dataclass(frozen=True, slots=True)
class Machine:
    """Capacity of one machine, or demand of one worker."""

    cpus: float
    gpus: float = 0
    memory_gb: float = math.inf

    def times(self, worker: Machine) -> float:
        """Returns how many such workers go onto the machine: a whole number, or infinity where they take nothing."""
        pairs = ((self.cpus, worker.cpus), (self.gpus, worker.gpus), (self.memory_gb, worker.memory_gb))
        # Slightly more than there is, since thirds of a GPU do not add up to one.
        shares = [have / need + 1e-9 for have, need in pairs if need]
        return min((share if math.isinf(share) else math.floor(share) for share in shares), default=math.inf)

    def without(self, worker: Machine, times: int) -> Machine:
        """Returns what is left beside so many workers."""
        memory_gb = self.memory_gb - times * worker.memory_gb
        return Machine(self.cpus - times * worker.cpus, self.gpus - times * worker.gpus, memory_gb)

    def __str__(self) -> str:
        """Returns e.g. ``2 cpus, 1 gpus and 16 GB``; memory without a limit is left out."""
        memory = f" and {self.memory_gb:.3g} GB" if math.isfinite(self.memory_gb) else ""
        return f"{self.cpus:g} cpus, {self.gpus:g} gpus{memory}"


UNLIMITED = (Machine(math.inf, math.inf),)
"""Machines of an executor without parallelism."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What may join a cluster while a run goes.

    Attributes:
        grows: machines may join: the cluster starts them on demand, or the run is asked to wait for some.
        kinds: a machine of each kind that it can start; empty where it does not say which.
    """

    grows: bool
    kinds: tuple[Machine, ...] = ()

    def may_carry(self, worker: Machine) -> bool:
        """Returns whether a machine may join that has room for such a worker."""
        return self.grows and (not self.kinds or room_for(worker, self.kinds) >= 1)


FIXED = Outlook(False)
"""No machine joins by itself."""


def room_for(worker: Machine, machines: Iterable[Machine]) -> float:
    """Returns how many such workers go onto the machines together: a whole number, or infinity."""
    return sum(machine.times(worker) for machine in machines)


def demand(resources: Resources) -> Machine:
    """Returns what one worker takes of its machine."""
    return Machine(resources.reserved_cpus, resources.gpus, resources.memory_gb)


def wanted(worker: Machine) -> str:
    """Returns what a worker takes in words, e.g. ``1 cpus, 1 gpus``."""
    amounts = ((worker.cpus, "cpus"), (worker.gpus, "gpus"), (worker.memory_gb, "GB"))
    return ", ".join(f"{amount:g} {unit}" for amount, unit in amounts if amount) or "nothing"


def inventory(machines: Iterable[Machine]) -> str:
    """Returns the machines in words, e.g. ``3 x 2 cpus, 0 gpus and 16 GB``."""
    counted = Counter(map(str, machines))
    return "; ".join(f"{number} x {machine}" for machine, number in counted.items()) or "no machine"


def side_by_side(nodes: Iterable[Node], machines: Sequence[Machine]) -> bool:
    """Returns whether nodes can run at the same time: with one worker of each map stage, and all of other stages.

    The largest workers are placed first. What is left over is shared out among the map stages, see `fair_shares`.
    """
    left = list(machines)
    for worker, count in sorted(map(_least, nodes), key=lambda each: (-each[0].gpus, -each[0].cpus)):
        for i, machine in enumerate(left):
            here = int(min(count, machine.times(worker)))
            left[i] = machine.without(worker, here)
            count -= here
        if count:
            return False
    return True


def require_capacity(nodes: Iterable[Node], machines: Sequence[Machine], outlook: Outlook = FIXED) -> list[str]:
    """Returns a line for each node that begins with fewer workers than it wishes for.

    Raises ValueError where a node's worker could never start, with settings under which it could.
    """
    notes, problems = [], []
    for node in nodes:
        worker, count = _wish(node)
        room = room_for(worker, machines)
        if room < 1 and not outlook.may_carry(worker):
            problems.append(
                f"{node.name}: a worker takes {wanted(worker)}, and the cluster has no machine with room for one "
                f"({inventory(machines)}){_kinds(outlook)}: {_advice(node, [*machines, *outlook.kinds])}"
            )
        elif 1 <= room < count and count != AUTO:
            notes.append(
                f"{node.name}: {count} workers of {wanted(worker)} each are wished for, and the cluster has room for "
                f"{room:g} ({inventory(machines)}): it starts with {room:g} at most"
            )
    if problems:
        raise ValueError("nothing was started:\n" + "\n".join(f"  - {problem}" for problem in problems))
    return notes


def _wish(node: Node) -> tuple[Machine, int]:
    """Returns the demand of one worker of a node, and the number of workers it wishes for."""
    return demand(node.resources), node.resources.workers if node.stage.distributed else 1


def _least(node: Node) -> tuple[Machine, int]:
    """Returns the demand of one worker of a node, and with how many it can run."""
    worker, count = _wish(node)
    return worker, 1 if isinstance(node.stage, MapStage) else count


def _kinds(outlook: Outlook) -> str:
    return f" and starts none that has ({inventory(outlook.kinds)})" if outlook.grows else ""


def _advice(node: Node, machines: Sequence[Machine]) -> str:
    """Returns what to change so that a worker fits: the fewest settings, and no GPU given up where others do."""
    found = [settings for machine in machines if (settings := _lowered(node, machine))]
    if not found:
        return (
            "no setting helps; add a machine (`ray start --address=HEAD:PORT` on it), wait for one "
            "(--wait-minutes 10), or run without the cluster (--local)"
        )
    gpus = node.resources.gpus
    settings = min(found, key=lambda each: (len(each), -each.get("gpus", gpus), -each.get("cpus", 0)))
    return "try " + " ".join(f"--set {node.name}.run.{name}={value:g}" for name, value in settings.items())


def _lowered(node: Node, machine: Machine) -> dict[str, float]:
    """Returns the settings with which a worker fits onto a machine; empty where none do, or its stage refuses them."""
    settings: dict[str, float] = {}
    for name in ("gpus", "cpus", "memory_gb"):
        asked = node.resources.model_copy(update=settings)
        have = getattr(machine, name)
        if getattr(demand(asked), name) > have:
            settings[name] = math.floor(have * 100) / 100
            if name == "cpus" and not settings[name]:
                if not asked.gpus:
                    return {}
                settings[name] = 1  # beside a GPU one core is not counted
    asked = node.resources.model_copy(update=settings)
    try:
        node.stage.fits(asked)
    except ValueError:
        return {}
    return settings if machine.times(demand(asked)) >= 1 else {}
