"""Alternating runs of our pipeline and a peer, each as processes or as threads, and the lines made of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from jobs.benchmarks.baseline import Make, Pace, bare_loop
from jobs.benchmarks.detecting import Bench
from jobs.benchmarks.pipeline_run import PipelineRun, run_node
from jobs.benchmarks.results import Measured, cores, less_is_better, more_is_better
from pipeline.engine.graph import Graph
from pipeline.engine.stage import Resources

Way = tuple[int, int]
"""(processes, threads of each)."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Way -> its runs (a slower way has one), and the machine's load at the start of every round."""

    ours: dict[Way, list[PipelineRun]]
    peers: dict[Way, list[Pace]]
    loads: list[float]

    @property
    def fastest(self) -> tuple[list[PipelineRun], list[Pace]]:
        """The runs of either side in its faster way."""
        return self.ours[_faster(self.ours)], self.peers[_faster(self.peers)]


def run_rounds(
    bench: Bench, graph: Callable[[Resources], Graph], node: str, make: Make, workers: int, rounds: int
) -> Rounds:
    """Returns the figures of a node, in the graph that `graph` gives for its resources, and of the bare loop."""
    images = len(bench.files)

    def ours(way: Way) -> PipelineRun:
        processes, threads = way
        resources = Resources(workers=processes, cpus=threads, shard_rows=rows_of_shard(images, workers))
        return run_node(graph(resources), node, bench.store)

    return take_turns(ours, lambda way: bare_loop(make, images, *way), workers, rounds)


def seconds_in_turn(rounds: int, *works: Callable[[], object]) -> list[float]:
    """Returns the median seconds of each work on one thread, measured one after the other in every round."""
    import torch

    threads, spent = torch.get_num_threads(), [[0.0] * rounds for _ in works]
    torch.set_num_threads(1)
    try:
        for turn in range(rounds):
            for seconds, work in zip(spent, works, strict=True):
                begun = time.perf_counter()
                work()
                seconds[turn] = time.perf_counter() - begun
    finally:
        torch.set_num_threads(threads)
    return [median(seconds) for seconds in spent]


def rows_of_shard(images: int, workers: int) -> int:
    """Returns the images of a shard: eight shards for each worker."""
    return max(1, images // (8 * workers))


def take_turns(ours: Callable[[Way], PipelineRun], peer: Callable[[Way], Pace], workers: int, rounds: int) -> Rounds:
    """Returns the figures of both, measured one after the other in every round.

    Each uses its cores as `workers` processes of one thread and as one process of `workers` threads; the slower way is
    run in the first round only.
    """
    ways = dict.fromkeys(((workers, 1), (1, workers)))  # equal with one worker
    found = Rounds({way: [] for way in ways}, {way: [] for way in ways}, [])
    for turn in range(rounds):
        found.loads.append(os.getloadavg()[0])
        for way in [_faster(found.ours)] if turn else list(ways):
            found.ours[way].append(ours(way))
        for way in [_faster(found.peers)] if turn else list(ways):
            found.peers[way].append(peer(way))
    return found


def pace_rows(rounds: Rounds, name: str) -> list[Measured]:
    """Returns images/s in steady state and CPU time per image, either side in its faster way."""
    runs, peers = rounds.fastest
    rows = [
        more_is_better(
            f"{name}, images/s: steady state",
            median(run.rate for run in runs),
            median(pace.rate for pace in peers),
        )
    ]
    # CPU time, which other work on the machine disturbs less than images/s.
    workers = [1000 * run.worker_cores / run.rate for run in runs if run.worker_cores is not None]
    others = [1000 * run.other_cores / run.rate for run in runs if run.other_cores is not None]
    if workers and others:
        cpu = median(1000 * pace.cpu_seconds / pace.images for pace in peers)
        rows.append(less_is_better(f"{name}, CPU ms/image: workers", median(workers), cpu))
        rows.append(Measured(f"{name}, CPU ms/image: Ray and the driver beside them", median(others)))
    return rows


def cost_rows(rounds: Rounds, name: str) -> list[Measured]:
    """Returns images/s with everything, the memory of a worker, and what went through the object store."""
    runs, peers = rounds.fastest
    whole = median(run.images / run.seconds for run in runs)
    crossing = median(run.bytes_through_store / run.images for run in runs)
    peak, peer_peak = max(run.peak_mb for run in runs), max(pace.peak_mb for pace in peers)
    return [
        Measured(f"{name}, images/s: start of Ray and workers included", whole),
        Measured(f"{name}, MB: peak memory of a worker", peak, peer_peak),
        Measured(f"{name}, bytes/image: payload through the object store", crossing),
    ]


def round_notes(rounds: Rounds, ours: str, peer: str) -> list[str]:
    """Returns the figures of every round and way, after what our time contains and what the peer is."""
    errors = sum(run.errors for runs in rounds.ours.values() for run in runs)
    rates = _ways({way: [run.rate for run in runs] for way, runs in rounds.ours.items()})
    busy = _ways({way: [run.busy_rate for run in runs] for way, runs in rounds.ours.items()})
    peers = _ways({way: [pace.rate for pace in paces] for way, paces in rounds.peers.items()})
    return [
        ours,
        f"{peer}; images/s of every round: {peers}",
        f"ours, images/s of every round: {rates}; without the idle end of workers that have no shard left: {busy}",
        *([f"{errors} images were errors: these figures mean little"] if errors else []),
    ]


def conditions(rounds: int, workers: int, shard_rows: int, loads: Sequence[float]) -> str:
    """Returns under which conditions rounds were measured."""
    return (
        f"{cores()} cores, {workers} used, {shard_rows} images per shard; medians of {rounds} rounds in turn, either "
        f"side in the faster of its two ways (processes x threads); load at their starts: {_listed(loads)}"
    )


def _faster(found: Mapping[Way, Sequence[PipelineRun | Pace]]) -> Way:
    return max(found, key=lambda way: median(each.rate for each in found[way]))


def _ways(rates: Mapping[Way, Sequence[float]]) -> str:
    return ", ".join(f"{processes} x {threads} {_listed(each)}" for (processes, threads), each in rates.items())


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
