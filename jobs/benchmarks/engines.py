"""Every engine of a CPU beside torch in float32: images/s at 1024 and 8K through Ray, memory, AP, and two rankers."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from jobs.benchmarks.baseline import Work, bare_loop
from jobs.benchmarks.detecting import BOXES, Model, detecting, detecting_graph
from jobs.benchmarks.images import gather, model_for
from jobs.benchmarks.pipeline_run import run_node
from jobs.benchmarks.product import ROOT, ap_of, wider_val_command
from jobs.benchmarks.results import Measured, Section, alone, cores
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store

WAYS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
)
QUICK = "retinaface_mobilenet"
RANKERS = ("crface_mobilenet", "roi_mobilenet")


@dataclass(frozen=True, slots=True)
class Load:
    """Detectors (all but the published MobileNet with random weights) and the number of images of each.

    Attributes:
        images: at long edge 1024, of the MobileNet; `images_8k` at 8K.
        slow_images: at long edge 1024, of the other detectors; `slow_8k` at 8K, 0: not measured there.
        budget_gb: memory of the one worker at 8K; larger canvases are cut into tiles.
        shared: folder of real data, or None.
    """

    detectors: tuple[str, ...]
    images: int
    images_8k: int
    slow_images: int
    slow_8k: int
    budget_gb: float
    shared: Path | None
    command: str


def engines_sections(load: Load) -> Iterator[Section]:
    """Yields a section per detector, one of AP and one of rankers, each as soon as it is measured."""
    for name in load.detectors:
        yield _detector(load, name)
    if QUICK in load.detectors:
        if load.shared is not None:
            yield _accuracy(load, load.shared)
        yield _rankers(load)


def _detector(load: Load, name: str) -> Section:
    quick, rows = name == QUICK, list[Measured]()
    counts = (load.images, load.images_8k) if quick else (load.slow_images, load.slow_8k)
    for canvas, images in zip(("1024", "8k"), counts, strict=True):
        if images:
            with _setting(load, images, canvas, name) as (folder, files, model, store):
                rows += _canvas_rows(load, name, model, folder, files, store)
    where = f"{counts[0]} images at 1024 and {counts[1]} at 8K through Ray, workers busy"
    note = f"{where}; at 1024 {cores()} workers of one thread, at 8K one of {cores()}"
    return Section(f"engines, {name}", rows, [f"{note}; peer: torch in float32, or the bare engine"])


def _canvas_rows(
    load: Load, name: str, model: Model, folder: Path, files: list[Path], store: Store
) -> Iterator[Measured]:
    small, quick = model.canvas == "1024", name == QUICK
    workers, parts = (cores(), 8 * cores()) if small else (1, 4)
    resources = Resources(workers=workers, cpus=cores() // workers, shard_rows=max(1, len(files) // parts))
    budget = None if small or quick else load.budget_gb
    first: tuple[float, float] | None = None
    for engine, precision in WAYS:
        way = replace(model, engine=engine, precision=precision)
        run = run_node(detecting_graph(way, folder, resources, budget), BOXES, store)
        label = f"{name} at {model.canvas}, {engine} {precision}"
        if run.errors:
            yield alone(f"{label}, images/s", None, load.command)
            continue
        rate = run.busy_rate
        first = (rate, run.peak_mb) if (engine, precision) == WAYS[0] else first
        peer, peak = first or (None, None)
        yield Measured(f"{label}, images/s", rate, peer, peer and rate / peer, load.command)
        yield Measured(f"{label}, MB of a worker", run.peak_mb, peak, None, load.command)
        if small and quick:
            bare = bare_loop(partial(detecting, way, files), len(files), workers, 1).rate
            yield Measured(f"{label}, of the bare engine", rate, bare, rate / bare, load.command)


def _accuracy(load: Load, shared: Path) -> Section:
    rows, first = [], dict[str, float]()
    with tempfile.TemporaryDirectory(prefix="wider8k-engines-") as folder:
        for engine, precision in WAYS:
            store = Path(folder) / f"{engine}-{precision}"
            sets = {"boxes.engine": engine, "boxes.precision": precision}
            command = wider_val_command(store, shared, sets)
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for subset, ap in ap_of(store).items():
                peer = first.setdefault(subset, ap)
                rows.append(Measured(f"AP {subset}, {engine} {precision}", ap, peer, None, load.command))
    return Section("engines, AP", rows, ["the published MobileNet on all real images there are, original size"])


def _rankers(load: Load) -> Section:
    rows = []
    with _setting(load, 40, "1024", QUICK) as (_, files, _, _):
        for name in RANKERS:
            first: float | None = None
            for engine, precision in WAYS:
                work = partial(_ranking, name, tuple(files), engine, precision)
                pace = bare_loop(work, len(files), cores(), 1)
                first = first or pace.rate
                label = f"{name} at 1024, {engine} {precision}"
                rows.append(Measured(f"{label}, images/s", pace.rate, first, pace.rate / first, load.command))
    where = f"{cores()} processes of one thread, nothing read or written"
    note = f"random weights, 5,000 random candidates of 40 images, {where}"
    return Section("engines, rankers", rows, [note])


def _ranking(name: str, files: tuple[Path, ...], engine: str, precision: str) -> Work:
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


@contextmanager
def _setting(load: Load, images: int, canvas: str, name: str) -> Iterator[tuple[Path, list[Path], Model, Store]]:
    """Yields a folder of images, their files, the model and a store, all removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="wider8k-images-") as folder,
        tempfile.TemporaryDirectory(prefix="wider8k-engines-") as place,
    ):
        files, _ = gather(Path(folder), images, load.shared)
        model, _ = model_for(Path(place), canvas, load.shared, name)
        yield Path(folder), files, model, Store(f"{place}/store")
