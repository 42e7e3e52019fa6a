"""Every engine of a CPU beside torch in float32: images/s at 1024 and 8K through Ray, memory, AP, and two rankers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jobs.benchmarks.baseline import Work, bare_loop
from jobs.benchmarks.detecting import BOXES, Model, detecting, detecting_graph
from jobs.benchmarks.images import gather, model_for
from jobs.benchmarks.pipeline_run import run_node
from jobs.benchmarks.results import Measured, Section, cores
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store

ROOT = Path(__file__).resolve().parents[2]
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
    """What is run.

    Attributes:
        detectors: entries of `DETECTORS`; all but the published MobileNet have random weights.
        images: at long edge 1024, of the MobileNet.
        images_8k: likewise at 8K.
        slow_images: of the other detectors at 1024.
        slow_8k: of the other detectors at 8K; 0: not measured there.
        budget_gb: memory of the one worker at 8K; larger canvases are cut into tiles.
        shared: folder of real data, or None.
        command: for the table.
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
    rows: list[Measured] = []
    quick = name == QUICK
    for canvas, images in (
        ("1024", load.images if quick else load.slow_images),
        ("8k", load.images_8k if quick else load.slow_8k),
    ):
        if not images:
            continue
        with _setting(load, images, canvas, name) as (folder, files, model, store):
            small = canvas == "1024"
            resources = (
                Resources(workers=cores(), cpus=1, shard_rows=max(1, images // (8 * cores())))
                if small
                else Resources(workers=1, cpus=cores(), shard_rows=max(1, images // 4))
            )
            budget = None if small or quick else load.budget_gb
            first: tuple[float, float] | None = None
            for engine, precision in WAYS:
                way = replace(model, engine=engine, precision=precision)
                run = run_node(detecting_graph(way, folder, resources, budget), BOXES, store)
                label = f"{name} at {canvas}, {engine} {precision}"
                if run.errors:
                    rows.append(Measured(f"{label}, images/s", None, None, None, load.command))
                    continue
                rate = run.busy_rate
                first = (rate, run.peak_mb) if (engine, precision) == WAYS[0] else first
                peer, peak = first or (None, None)
                rows.append(Measured(f"{label}, images/s", rate, peer, peer and rate / peer, load.command))
                rows.append(Measured(f"{label}, MB of a worker", run.peak_mb, peak, None, load.command))
                if small and quick:
                    bare = bare_loop(partial(detecting, way, files), len(files), resources.workers, 1).rate
                    rows.append(Measured(f"{label}, of the bare engine", rate, bare, rate / bare, load.command))
    where = f"{load.images} and {load.images_8k}" if quick else f"{load.slow_images} images at 1024 and {load.slow_8k}"
    note = f"{where} at 8K through Ray, workers busy; at 1024 {cores()} workers of one thread, at 8K one of {cores()}"
    return Section(f"engines, {name}", rows, [f"{note}; peer: torch in float32, or the bare engine"])


def _accuracy(load: Load, shared: Path) -> Section:
    rows, first = [], {}
    with tempfile.TemporaryDirectory(prefix="wider8k-engines-") as place:
        for engine, precision in WAYS:
            store = Path(place) / f"{engine}-{precision}"
            sets = {
                "store": store,
                "faces.path": shared / "data/wider_images",
                "faces.dataset.missing": "skip",
                "boxes.path": shared / "data/weights/retinaface_mobilenet0.25_Final.pth",
                "boxes.engine": engine,
                "boxes.precision": precision,
            }
            command = [sys.executable, "-m", "stages.cli.main", "run", "-c", "configs/wider_val.yaml"]
            command += [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for row in pq.read_table(next(store.glob("ap/*/whole.parquet")), columns=["subset", "ap"]).to_pylist():
                subset, ap = row["subset"], 100 * row["ap"]
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
    note = f"random weights, 5,000 drawn candidates of 40 images, {where}"
    return Section("engines, rankers", rows, [note])


def _ranking(name: str, files: tuple[Path, ...], engine: str, precision: str) -> Work:
    """Returns the ranker over images and candidates in memory; called in each process."""
    import torch

    from pipeline.data.canvas import parse_canvas
    from pipeline.data.images import decode
    from pipeline.inference.candidates import Candidates
    from pipeline.inference.rerank import Reranker
    from pipeline.models.rankers import RANKERS

    torch.manual_seed(0)
    images = [decode(file.read_bytes()) for file in files[:10]]
    corner, side = np.random.default_rng(0).uniform(0, [[900, 600]], (5000, 2)), 8 + np.arange(5000)[:, None] % 60
    boxes = np.hstack([corner, corner + side]).astype(np.float32)
    found = [Candidates(boxes, np.linspace(1, 0, 5000, dtype=np.float32))] * len(images)
    reranker = Reranker(
        RANKERS.find(name).build().eval(), canvas=parse_canvas("1024"), engine=engine, dtype=getattr(torch, precision)
    )
    one: Callable[[int], object] = lambda number: reranker(images[number % 10], found[number % 10])  # noqa: E731
    return one


@contextmanager
def _setting(load: Load, images: int, canvas: str, name: str) -> Iterator[tuple[Path, list[Path], Model, Store]]:
    """Gives a folder of images, their files, the model and a store, all gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="wider8k-images-") as folder,
        tempfile.TemporaryDirectory(prefix="wider8k-engines-") as place,
    ):
        files, _ = gather(Path(folder), images, load.shared)
        model, _ = model_for(Path(place), canvas, load.shared, name)
        yield Path(folder), files, model, Store(f"{place}/store")
