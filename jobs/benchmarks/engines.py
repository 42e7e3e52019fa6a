"""Every engine of a CPU beside torch in float32: images/s at 1024 and 8K through Ray, memory, AP, and two rankers."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from jobs.benchmarks.baseline import Work, bare_loop
from jobs.benchmarks.detecting import BOXES, Bench, bench_of, detecting, detecting_graph
from jobs.benchmarks.images import DETECTOR
from jobs.benchmarks.pipeline_run import run_node
from jobs.benchmarks.product import ROOT, ap_of, wider_val_command
from jobs.benchmarks.results import Measured, Section, cores, more_is_better
from pipeline.engine.stage import Resources

WAYS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
)
RANKERS = ("crface_mobilenet", "roi_mobilenet")


def engines_sections(
    detectors: Sequence[str], quick: tuple[int, int], slow: tuple[int, int], budget_gb: float, shared: Path | None
) -> Iterator[Section]:
    """Yields a section per detector, one of AP and one of rankers, each as soon as it is measured.

    Args:
        detectors: entries of `DETECTORS`; all but the published MobileNet have random weights.
        quick: images of the MobileNet at long edge 1024 and at 8K.
        slow: likewise of every other one; 0: not measured there.
        budget_gb: memory of the one worker of the others at 8K; larger canvases are cut into tiles.
        shared: folder of real data, or None.
    """
    for name in detectors:
        yield _detector(name, quick if name == DETECTOR else slow, budget_gb, shared)
    if DETECTOR in detectors:
        if shared is not None:
            yield _accuracy(shared)
        yield _rankers(shared)


def _detector(name: str, counts: tuple[int, int], budget_gb: float, shared: Path | None) -> Section:
    rows = list[Measured]()
    for canvas, images in zip(("1024", "8k"), counts, strict=True):
        if images:
            with bench_of(images, canvas, shared, name) as bench:
                rows += _canvas_rows(name, bench, budget_gb)
    where = f"{counts[0]} images at 1024 and {counts[1]} at 8K through Ray, workers busy"
    note = f"{where}; at 1024 {cores()} workers of one thread, at 8K one of {cores()}"
    return Section(f"engines, {name}", rows, [f"{note}; peer: torch in float32, or the bare engine"])


def _canvas_rows(name: str, bench: Bench, budget_gb: float) -> Iterator[Measured]:
    small, quick = bench.model.canvas == "1024", name == DETECTOR
    workers, parts = (cores(), 8 * cores()) if small else (1, 4)
    resources = Resources(workers=workers, cpus=cores() // workers, shard_rows=max(1, len(bench.files) // parts))
    budget = None if small or quick else budget_gb
    first: tuple[float, float] | None = None
    for engine, precision in WAYS:
        way = replace(bench.model, engine=engine, precision=precision)
        run = run_node(detecting_graph(way, bench.folder, resources, budget), BOXES, bench.store)
        label = f"{name} at {way.canvas}, {engine} {precision}"
        if run.errors:
            yield Measured(f"{label}, images/s", None)
            continue
        rate = run.busy_rate
        first = (rate, run.peak_mb) if (engine, precision) == WAYS[0] else first
        peer, peak = first or (None, None)
        yield Measured(f"{label}, images/s", rate, peer, peer and rate / peer)
        yield Measured(f"{label}, MB of a worker", run.peak_mb, peak)
        if small and quick:
            bare = bare_loop(partial(detecting, way, bench.files), len(bench.files), workers, 1).rate
            yield more_is_better(f"{label}, of the bare engine", rate, bare)


def _accuracy(shared: Path) -> Section:
    rows, first = [], dict[str, float]()
    with tempfile.TemporaryDirectory(prefix="wider8k-engines-") as folder:
        for engine, precision in WAYS:
            store = Path(folder) / f"{engine}-{precision}"
            sets = {"boxes.engine": engine, "boxes.precision": precision}
            command = wider_val_command(store, shared, sets)
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for subset, ap in ap_of(store).items():
                rows.append(Measured(f"AP {subset}, {engine} {precision}", ap, first.setdefault(subset, ap)))
    return Section("engines, AP", rows, ["the published MobileNet on all real images there are, original size"])


def _rankers(shared: Path | None) -> Section:
    rows = []
    with bench_of(40, "1024", shared) as bench:
        for name in RANKERS:
            first: float | None = None
            for engine, precision in WAYS:
                work = partial(_ranking, name, bench.files, engine, precision)
                rate = bare_loop(work, len(bench.files), cores(), 1).rate
                first = first or rate
                rows.append(more_is_better(f"{name} at 1024, {engine} {precision}, images/s", rate, first))
    where = f"{cores()} processes of one thread, nothing read or written"
    note = f"random weights, 5,000 random candidates of 40 images, {where}"
    return Section("engines, rankers", rows, [note])


def _ranking(name: str, files: Sequence[Path], engine: str, precision: str) -> Work:
    """Returns the ranker over images and candidates in memory; called in each process."""
    import torch

    from pipeline.data.canvas import parse_canvas
    from pipeline.data.images import decode
    from pipeline.data.records import ScoredBoxes
    from pipeline.inference.rerank import Reranker
    from pipeline.models.rankers import RANKERS

    torch.manual_seed(0)
    images = [decode(file.read_bytes()) for file in files[:10]]
    corner, side = np.random.default_rng(0).uniform(0, [[900, 600]], (5000, 2)), 8 + np.arange(5000)[:, None] % 60
    boxes = np.hstack([corner, corner + side]).astype(np.float32)
    found = [ScoredBoxes(boxes, np.linspace(1, 0, 5000, dtype=np.float32))] * len(images)
    reranker = Reranker(
        RANKERS.find(name).build().eval(), canvas=parse_canvas("1024"), engine=engine, dtype=getattr(torch, precision)
    )
    one: Callable[[int], object] = lambda number: reranker(images[number % 10], found[number % 10])  # noqa: E731
    return one
