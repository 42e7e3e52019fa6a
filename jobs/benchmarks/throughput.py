"""Sections 2 and 3: the pipeline's images/s against the bare network, a worker's memory, bytes in the object store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
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
PEER = "peer: the same network over images decoded in memory, warmed up, nothing written; the faster of its two ways"


@dataclass(frozen=True, slots=True)
class Load:
    """What a section runs.

    Attributes:
        name: of the section.
        canvas: as in `Predict.canvas`.
        images: how many.
        rounds: how often ours and the peer are measured, in turn; the peer's slower way in the first round only.
        workers: of the pipeline, one core each; the peer gets the same cores.
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
    ours: list[PipelineRun]
    peers: dict[tuple[int, int], list[Pace]]  # (processes, threads)
    loads: list[float]

    def best_peer(self) -> tuple[int, int]:
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
            tiled = run_pipeline(model, Path(images), load.workers, shard_rows, load.tile_budget_gb)
            rows += _tile_rows(load, tiled)
    return Section(load.name, rows, [f"{pictures}, {network}, canvas {load.canvas}", *_notes(load, rounds, shard_rows)])


def _take_turns(load: Load, model: Model, folder: Path, files: Sequence[Path], shard_rows: int) -> _Rounds:
    rounds = _Rounds([], {(load.workers, 1): [], (1, load.workers): []}, [])  # one and the same with one worker
    for turn in range(load.rounds):
        rounds.loads.append(os.getloadavg()[0])
        rounds.ours.append(run_pipeline(model, folder, load.workers, shard_rows))
        for way in [rounds.best_peer()] if turn else list(rounds.peers):
            rounds.peers[way].append(bare_loop(model, files, *way))
    return rounds


def _rows(load: Load, rounds: _Rounds) -> list[Measured]:
    peers = rounds.peers[rounds.best_peer()]
    ours = median(run.rate for run in rounds.ours)
    whole = median(run.images / run.seconds for run in rounds.ours)
    crossing = median(run.bytes_through_store / run.images for run in rounds.ours)
    peak, peer_peak = max(run.peak_mb for run in rounds.ours), max(pace.peak_mb for pace in peers)
    name, command = load.name, load.command
    peer_cpu = median(1000 * pace.cpu_seconds / pace.images for pace in peers)
    return [
        more_is_better(f"{name}, images/s: steady state", ours, median(pace.rate for pace in peers), command),
        *_cpu_rows(rounds.ours, peer_cpu, name, command),
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
    ways = ", ".join(
        f"{processes} x {threads} {_listed([pace.rate for pace in paces])}"
        for (processes, threads), paces in rounds.peers.items()
    )
    errors = sum(run.errors for run in rounds.ours)
    return [
        f"{load.workers} workers of one core on {cores()} cores, {shard_rows} images per shard; "
        f"medians of {load.rounds} rounds in turn; load at their starts: {_listed(rounds.loads)}",
        INSIDE,
        f"{PEER}; images/s of every round, processes x threads: {ways}",
        f"ours, images/s of every round: {_listed([run.rate for run in rounds.ours])}; without the idle end of the "
        f"workers that have no shard left: {_listed([run.busy_rate for run in rounds.ours])}",
        "object store: the pickled ids and paths that go in and the records that come out, no pixel and no box; "
        "Ray's own framing adds about 3 KB per shard",
        *([f"{errors} images were errors: these figures mean little"] if errors else []),
    ]


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
