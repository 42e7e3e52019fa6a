"""Fair shares of a cluster: how many workers each node has where several run side by side.

Dominant resource fairness (Ghodsi et al., NSDI 2011): the next worker goes to the node that has the smallest share of
the resource it takes most of, as long as it has work for one and a machine has room. Three detectors on eight CPUs have
3, 3 and 2 workers, whatever their images cost; what one of them cannot use the others have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.engine.capacity import Machine


@dataclass(frozen=True, slots=True)
class Claim:
    """What one node that runs can use of a cluster.

    Attributes:
        worker: what one of its workers takes.
        wish: workers that it has work for.
        together: it has all of them from its start to its end; otherwise as many as it gets, one at least.
    """

    worker: Machine
    wish: int
    together: bool = False


def fair_shares(claims: Sequence[Claim], machines: Sequence[Machine]) -> list[list[int]]:
    """Returns the number of workers of each claim on each machine, in their orders.

    Claims that are met together come first, the largest workers before smaller ones; one that does not fit has what
    fits. Equal shares are filled in the order of the claims.
    """
    left, counts = list(machines), [[0] * len(machines) for _ in claims]
    # A machine on which a worker does not fit has no room for it later either: each is asked once.
    places = [_by_preference(claim.worker, machines) for claim in claims]
    size = [_dominant(claim.worker, machines) for claim in claims]

    def add(number: int) -> bool:
        worker, order = claims[number].worker, places[number]
        while order:
            if left[order[-1]].times(worker) >= 1:
                left[order[-1]] = left[order[-1]].without(worker, 1)
                counts[number][order[-1]] += 1
                return True
            order.pop()
        return False

    for number in sorted((n for n, claim in enumerate(claims) if claim.together), key=lambda n: -size[n]):
        for _ in range(claims[number].wish):
            if not add(number):
                break
    open_ = {n: 0 for n, claim in enumerate(claims) if not claim.together and claim.wish > 0}
    while open_:
        number = min(open_, key=lambda n: (open_[n] * size[n], -size[n], n))
        if not add(number):
            del open_[number]
            continue
        open_[number] += 1
        if open_[number] == claims[number].wish:
            del open_[number]
    return counts


def _dominant(worker: Machine, machines: Sequence[Machine]) -> float:
    """Returns the share of the cluster's resource that a worker takes most of; 0 of one without a limit."""
    there = [(machine.cpus, machine.gpus, machine.memory_gb) for machine in machines]
    have = [sum(each) for each in zip(*there, strict=True)] or [0.0, 0.0, 0.0]
    need = (worker.cpus, worker.gpus, worker.memory_gb)
    return max((n / h for n, h in zip(need, have, strict=True) if n and h), default=1.0)


def _by_preference(worker: Machine, machines: Sequence[Machine]) -> list[int]:
    """Returns the numbers of the machines, the one to fill first last; a worker without GPU leaves GPUs for others."""
    return sorted(range(len(machines)), key=lambda n: (bool(machines[n].gpus) and not worker.gpus, n), reverse=True)
