"""What the machines of a cluster have, what nodes ask of them, and whether it can be given."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.engine.graph import Node


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine has, or what one worker takes of it."""

    cpus: float
    gpus: float = 0
    memory_gb: float = math.inf

    def times(self, worker: Machine) -> float:
        """Returns how many such workers go onto the machine: a whole number, or infinity where they take nothing."""
        pairs = ((self.cpus, worker.cpus), (self.gpus, worker.gpus), (self.memory_gb, worker.memory_gb))
        # A hair more than there is, since thirds of a GPU do not add up to one.
        shares = [have / need + 1e-9 for have, need in pairs if need]
        return min((share if math.isinf(share) else math.floor(share) for share in shares), default=math.inf)

    def without(self, worker: Machine, times: int) -> Machine:
        """Returns what is left when so many workers have taken their share."""
        return Machine(
            self.cpus - times * worker.cpus, self.gpus - times * worker.gpus, self.memory_gb - times * worker.memory_gb
        )

    def __str__(self) -> str:
        """Returns it for people: ``2 cpus, 1 gpus and 16 GB``, what is not limited left out."""
        parts = [f"{self.cpus:g} cpus", f"{self.gpus:g} gpus"]
        return ", ".join(parts) + (f" and {self.memory_gb:.3g} GB" if math.isfinite(self.memory_gb) else "")


UNLIMITED = (Machine(math.inf, math.inf),)
"""For an executor that runs one thing at a time."""


def side_by_side(nodes: Iterable[Node], machines: Sequence[Machine]) -> bool:
    """Returns whether all workers of all nodes can be there at once; those that take most are placed first."""
    left = list(machines)
    for worker, count in sorted(map(_demand, nodes), key=lambda each: (-each[0].gpus, -each[0].cpus)):
        for place, machine in enumerate(left):
            here = int(min(count, machine.times(worker)))
            left[place] = machine.without(worker, here)
            count -= here
        if count:
            return False
    return True


def require_capacity(nodes: Iterable[Node], machines: Sequence[Machine]) -> None:
    """Raises ValueError where a node's workers could never all start, naming what would be enough."""
    problems = []
    for node in nodes:
        worker, count = _demand(node)
        room = sum(machine.times(worker) for machine in machines)
        if count > room:
            has = "; ".join(f"{number} x {machine}" for machine, number in Counter(map(str, machines)).items())
            change = f"workers={room}" if room else _smaller(worker, machines)
            problems.append(
                f"{node.name}: {count} workers of {_request(worker)} each, and the cluster has room for {room} "
                f"({has}); they would wait for ever: try --set {node.name}.run.{change}"
            )
    if problems:
        raise ValueError("nothing was started:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _demand(node: Node) -> tuple[Machine, int]:
    """Returns what one worker of a node holds while it runs, and how many there are."""
    resources = node.resources
    one = Machine(resources.reserved_cpus, resources.gpus, resources.memory_gb)
    return one, resources.workers if node.stage.distributed else 1


def _request(worker: Machine) -> str:
    named = ((worker.cpus, "cpus"), (worker.gpus, "gpus"), (worker.memory_gb, "GB"))
    return ", ".join(f"{amount:g} {unit}" for amount, unit in named if amount)


def _smaller(worker: Machine, machines: Sequence[Machine]) -> str:
    """Returns the first setting that no machine can give, with the most that one could."""
    for name in ("gpus", "cpus", "memory_gb"):
        most = max((getattr(machine, name) for machine in machines), default=0)
        if getattr(worker, name) > most:
            return f"{name}={math.floor(most * 100) / 100:g}"
    return "cpus=1"  # each is there, on different machines
