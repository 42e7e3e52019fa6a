"""Sections 2 and 3: the pipeline's images/s against the bare network, a worker's memory, bytes in the object store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from jobs.benchmarks.bare_loop import Model, Pace, bare_loop
from jobs.benchmarks.measured import Measured, Section, cores, less_is_better, more_is_better
from jobs.benchmarks.pictures import gather, model_for
from jobs.benchmarks.pipeline_run import PipelineRun, run_pipeline

INSIDE = (
    "ours, steady state: from the first shard's begin to the last one's end. In it: reading and decoding the files, "
    "enlarging, the network, the best 5,000, Parquet, fsync, records, all that Ray does meanwhile, and every worker's "
    "first, slower pass. Not in it: the start of Ray and of the workers (imports, weights)"
)
PEER = "peer: the same network over images decoded in memory, warmed up, nothing written"
Way = tuple[int, int]  # (processes, threads of each)


@dataclass(frozen=True, slots=True)
class Load:
    """What a section runs.

    Attributes:
        name: of the section.
        canvas: as in `Predict.canvas`.
        images: how many.
        rounds: how often ours and the peer are measured, in turn; either's slower way in the first round only.
        workers: cores for either: as many processes of one thread, or one process of as many threads.
        detector: entry of `DETECTORS`.
        tile_budget_gb: memory of one worker in one more run with tiles, None for no such run.
        shared: folder of real data, or None.
        command: for the table.
    """

    name: str
    canvas: str
    images: int
    rounds: int
    workers: int
    detector: str
    tile_budget_gb: float | None
    shared: Path | None
    command: str


@dataclass(frozen=True, slots=True)
class _Rounds:
    ours: dict[Way, list[PipelineRun]]
    peers: dict[Way, list[Pace]]
    loads: list[float]

    def best_ours(self) -> Way:
        return max(self.ours, key=lambda way: median(run.rate for run in self.ours[way]))

    def best_peer(self) -> Way:
        return max(self.peers, key=lambda way: median(pace.rate for pace in self.peers[way]))


def throughput_section(load: Load) -> Section:
    """Returns the lines of one canvas: medians over rounds in which ours and the peer take turns."""
    with (
        tempfile.TemporaryDirectory(prefix="wider8k-images-") as images,
        tempfile.TemporaryDirectory(prefix="wider8k-weights-") as weights,
    ):
        files, pictures = gather(Path(images), load.images, load.shared)
        model, network = model_for(Path(weights), load.canvas, load.shared, load.detector)
        shard_rows = max(1, len(files) // (8 * load.workers))
        rounds = _take_turns(load, model, Path(images), files, shard_rows)
        rows, tiled = _rows(load, rounds), None
        if load.tile_budget_gb is not None:
            tiled = run_pipeline(model, Path(images), (load.workers, 1), shard_rows, load.tile_budget_gb)
            rows += _tile_rows(load, tiled)
    return Section(load.name, rows, [f"{pictures}, {network}, canvas {load.canvas}", *_notes(load, rounds, shard_rows)])


def _take_turns(load: Load, model: Model, folder: Path, files: Sequence[Path], shard_rows: int) -> _Rounds:
    ways = dict.fromkeys(((load.workers, 1), (1, load.workers)))  # one and the same with one worker
    rounds = _Rounds({way: [] for way in ways}, {way: [] for way in ways}, [])
    for turn in range(load.rounds):
        rounds.loads.append(os.getloadavg()[0])
        for way in [rounds.best_ours()] if turn else list(rounds.ours):
            rounds.ours[way].append(run_pipeline(model, folder, way, shard_rows))
        for way in [rounds.best_peer()] if turn else list(rounds.peers):
            rounds.peers[way].append(bare_loop(model, files, *way))
    return rounds


def _rows(load: Load, rounds: _Rounds) -> list[Measured]:
    runs, peers = rounds.ours[rounds.best_ours()], rounds.peers[rounds.best_peer()]
    ours = median(run.rate for run in runs)
    whole = median(run.images / run.seconds for run in runs)
    crossing = median(run.bytes_through_store / run.images for run in runs)
    peak, peer_peak = max(run.peak_mb for run in runs), max(pace.peak_mb for pace in peers)
    name, command = load.name, load.command
    peer_cpu = median(1000 * pace.cpu_seconds / pace.images for pace in peers)
    return [
        more_is_better(f"{name}, images/s: steady state", ours, median(pace.rate for pace in peers), command),
        *_cpu_rows(runs, peer_cpu, name, command),
        Measured(f"{name}, images/s: start of Ray and workers included", whole, None, None, command),
        Measured(f"{name}, MB: peak memory of a worker", peak, peer_peak, None, command),
        Measured(f"{name}, bytes/image: payload through the object store", crossing, None, None, command),
    ]


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


def _tile_rows(load: Load, run: PipelineRun) -> list[Measured]:
    name = f"{load.name} in tiles for {load.tile_budget_gb:g} GB"
    crossing = run.bytes_through_store / run.images
    return [
        Measured(f"{name}, images/s: steady state", run.rate, None, None, load.command),
        Measured(f"{name}, MB: peak memory of a worker", run.peak_mb, None, None, load.command),
        Measured(f"{name}, bytes/image: payload through the object store", crossing, None, None, load.command),
    ]


def _notes(load: Load, rounds: _Rounds, shard_rows: int) -> list[str]:
    errors = sum(run.errors for runs in rounds.ours.values() for run in runs)
    busy = {way: [run.busy_rate for run in runs] for way, runs in rounds.ours.items()}
    return [
        f"{cores()} cores, {load.workers} used, {shard_rows} images per shard; medians of {load.rounds} rounds in "
        "turn, either side in the faster of its two ways (processes x threads); load at their starts: "
        + _listed(rounds.loads),
        INSIDE,
        f"{PEER}; images/s of every round: "
        + _ways({way: [pace.rate for pace in paces] for way, paces in rounds.peers.items()}),
        "ours, images/s of every round: "
        + _ways({way: [run.rate for run in runs] for way, runs in rounds.ours.items()})
        + "; without the idle end of the workers that have no shard left: "
        + _ways(busy),
        "object store: the pickled ids and paths that go in and the records that come out, no pixel and no box; "
        "Ray's own framing adds about 3 KB per shard",
        *([f"{errors} images were errors: these figures mean little"] if errors else []),
    ]


def _ways(rates: Mapping[Way, Sequence[float]]) -> str:
    return ", ".join(f"{processes} x {threads} {_listed(each)}" for (processes, threads), each in rates.items())


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
