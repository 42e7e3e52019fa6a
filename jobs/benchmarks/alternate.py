"""Ours and a peer in turn, either in its ways of using the cores, and what the rounds come to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from jobs.benchmarks.baseline import Pace
from jobs.benchmarks.pipeline_run import PipelineRun
from jobs.benchmarks.results import Measured, less_is_better, more_is_better

Way = tuple[int, int]
"""(processes, threads of each)."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured.

    Attributes:
        ours: way -> its runs; a slower way has one.
        peers: likewise.
        loads: of the machine at the start of every round, processes of the last minute.
    """

    ours: dict[Way, list[PipelineRun]]
    peers: dict[Way, list[Pace]]
    loads: list[float]

    def best_ours(self) -> Way:
        """Returns our faster way."""
        return max(self.ours, key=lambda way: median(run.rate for run in self.ours[way]))

    def best_peer(self) -> Way:
        """Returns the peer's faster way."""
        return max(self.peers, key=lambda way: median(pace.rate for pace in self.peers[way]))


def take_turns(ours: Callable[[Way], PipelineRun], peer: Callable[[Way], Pace], workers: int, rounds: int) -> Rounds:
    """Returns the figures of both, measured one after the other in every round.

    Args:
        ours: runs the pipeline once in a way.
        peer: runs the peer once in a way.
        workers: cores for either: as many processes of one thread, or one process of as many threads. The slower way is
            run in the first round only.
        rounds: how often.
    """
    ways = dict.fromkeys(((workers, 1), (1, workers)))  # one and the same with one worker
    found = Rounds({way: [] for way in ways}, {way: [] for way in ways}, [])
    for turn in range(rounds):
        found.loads.append(os.getloadavg()[0])
        for way in [found.best_ours()] if turn else list(ways):
            found.ours[way].append(ours(way))
        for way in [found.best_peer()] if turn else list(ways):
            found.peers[way].append(peer(way))
    return found


def pace_rows(rounds: Rounds, name: str, command: str) -> list[Measured]:
    """Returns images/s in steady state and CPU time per image, either side in its faster way."""
    runs, peers = rounds.ours[rounds.best_ours()], rounds.peers[rounds.best_peer()]
    ours, peer = median(run.rate for run in runs), median(pace.rate for pace in peers)
    cpu = median(1000 * pace.cpu_seconds / pace.images for pace in peers)
    return [
        more_is_better(f"{name}, images/s: steady state", ours, peer, command),
        *_cpu_rows(runs, cpu, name, command),
    ]


def cost_rows(rounds: Rounds, name: str, command: str) -> list[Measured]:
    """Returns images/s with everything, the memory of a worker, and what went through the object store."""
    runs, peers = rounds.ours[rounds.best_ours()], rounds.peers[rounds.best_peer()]
    whole = median(run.images / run.seconds for run in runs)
    crossing = median(run.bytes_through_store / run.images for run in runs)
    peak, peer_peak = max(run.peak_mb for run in runs), max(pace.peak_mb for pace in peers)
    return [
        Measured(f"{name}, images/s: start of Ray and workers included", whole, None, None, command),
        Measured(f"{name}, MB: peak memory of a worker", peak, peer_peak, None, command),
        Measured(f"{name}, bytes/image: payload through the object store", crossing, None, None, command),
    ]


def round_notes(rounds: Rounds, ours: str, peer: str) -> list[str]:
    """Returns what a reader must know: the figures of every round and way.

    Args:
        rounds: what was measured.
        ours: what is in our time, and what is not.
        peer: what the peer is.
    """
    errors = sum(run.errors for runs in rounds.ours.values() for run in runs)
    return [
        ours,
        f"{peer}; images/s of every round: "
        + _ways({way: [pace.rate for pace in paces] for way, paces in rounds.peers.items()}),
        "ours, images/s of every round: "
        + _ways({way: [run.rate for run in runs] for way, runs in rounds.ours.items()})
        + "; without the idle end of the workers that have no shard left: "
        + _ways({way: [run.busy_rate for run in runs] for way, runs in rounds.ours.items()}),
        *([f"{errors} images were errors: these figures mean little"] if errors else []),
    ]


def listed(values: Sequence[float]) -> str:
    """Returns numbers with three digits, one after the other."""
    return " ".join(f"{value:.3g}" for value in values)


def _cpu_rows(runs: Sequence[PipelineRun], peer: float, name: str, command: str) -> list[Measured]:
    """Returns CPU time per image, which other work on the machine disturbs less than images/s."""
    workers = [1000 * run.worker_cores / run.rate for run in runs if run.worker_cores is not None]
    others = [1000 * run.other_cores / run.rate for run in runs if run.other_cores is not None]
    if not workers or not others:
        return []
    return [
        less_is_better(f"{name}, CPU ms/image: workers", median(workers), peer, command),
        Measured(f"{name}, CPU ms/image: Ray and the driver beside them", median(others), None, None, command),
    ]


def _ways(rates: Mapping[Way, Sequence[float]]) -> str:
    return ", ".join(f"{processes} x {threads} {listed(each)}" for (processes, threads), each in rates.items())
