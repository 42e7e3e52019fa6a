"""Capacity of a cluster's machines, and whether the workers of nodes fit onto them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.engine.graph import Node


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


def side_by_side(nodes: Iterable[Node], machines: Sequence[Machine]) -> bool:
    """Returns whether all workers of all nodes fit at the same time; the largest are placed first."""
    left = list(machines)
    for worker, count in sorted(map(_demand, nodes), key=lambda each: (-each[0].gpus, -each[0].cpus)):
        for i, machine in enumerate(left):
            here = int(min(count, machine.times(worker)))
            left[i] = machine.without(worker, here)
            count -= here
        if count:
            return False
    return True


def require_capacity(nodes: Iterable[Node], machines: Sequence[Machine]) -> None:
    """Raises ValueError where a node's workers could never all start, with a setting that fits."""
    problems = []
    for node in nodes:
        worker, count = _demand(node)
        room = sum(machine.times(worker) for machine in machines)
        if count > room:
            has = "; ".join(f"{number} x {machine}" for machine, number in Counter(map(str, machines)).items())
            change = f"workers={room}" if room else _smaller(worker, machines)
            amounts = ((worker.cpus, "cpus"), (worker.gpus, "gpus"), (worker.memory_gb, "GB"))
            asked = ", ".join(f"{amount:g} {unit}" for amount, unit in amounts if amount)
            problems.append(
                f"{node.name}: {count} workers of {asked} each, and the cluster has room for {room} "
                f"({has}); they would wait for ever: try --set {node.name}.run.{change}"
            )
    if problems:
        raise ValueError("nothing was started:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _demand(node: Node) -> tuple[Machine, int]:
    """Returns the demand of one worker of a node, and the number of workers."""
    resources = node.resources
    one = Machine(resources.reserved_cpus, resources.gpus, resources.memory_gb)
    return one, resources.workers if node.stage.distributed else 1


def _smaller(worker: Machine, machines: Sequence[Machine]) -> str:
    """Returns the first setting that exceeds every machine, lowered to the largest one."""
    for name in ("gpus", "cpus", "memory_gb"):
        most = max((getattr(machine, name) for machine in machines), default=0)
        if getattr(worker, name) > most:
            return f"{name}={math.floor(most * 100) / 100:g}"
    return "cpus=1"  # each is there, on different machines
