"""A dump through Ray, and beside it the same batches over images in memory, on one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from jobs.benchmarks.detecting import BOXES, bench_of, detecting_graph
from jobs.benchmarks.pipeline_run import run_node
from jobs.benchmarks.prerequisites import in_new_process
from jobs.benchmarks.shard_spans import ShardSpan
from jobs.gpu.dumping import candidates_of_all, load_images
from jobs.gpu.figures import Figures
from jobs.gpu.measuring import DeviceWatch, busy, median_seconds, wait
from jobs.gpu.parts import Setting
from pipeline.data.canvas import parse_canvas
from pipeline.engine.stage import Resources
from pipeline.inference.predictor import Predictor
from pipeline.models.weights import open_detector

IMAGES = {"1024": 12_000, "8k": 200}
SHARD = {"1024": 250, "8k": 10}
WORKERS = {"1024": (1, 4), "8k": (1,)}  # at 8K one worker keeps the device at work


def pipeline(setting: Setting, figures: Figures, canvas: str, engine: str, detector: str) -> None:
    """Measures images/s of node `predict` in bfloat16, by one worker and by several."""
    images = 4 if setting.tiny else IMAGES[canvas]
    accelerated = setting.device == "cuda"
    with bench_of(images, "64" if setting.tiny else canvas, setting.shared, detector) as bench:
        model = replace(bench.model, precision="bfloat16", engine=engine) if accelerated else bench.model
        if not setting.tiny:
            try:
                # In a process of its own, so that its memory is free for the workers.
                in_new_process(_in_memory, setting, figures, canvas, model.weights, engine)
            except Exception as error:  # the pipeline is measured all the same
                figures.add(f"{canvas}, {engine}, alone", "failed", note=str(error)[-200:])
        for workers in WORKERS[canvas] if accelerated else (1,):
            share = 1 / workers if accelerated else 0.0
            cpus, shard_rows = (1, 2) if setting.tiny else (12 // workers, SHARD[canvas])
            resources = Resources(workers=workers, cpus=cpus, gpus=share, shard_rows=shard_rows)
            with DeviceWatch() as watch:
                ours = run_node(detecting_graph(model, bench.folder, resources), BOXES, bench.store)
            label = f"{canvas}, {model.engine}, {workers} worker{'s' * (workers > 1)}"
            figures.add(f"{label}, images/s through Ray", ours.rate, "1/s", f"{bench.origin}, {bench.network}")
            middle, ended, rate = _second_half(ours.shards)
            if rate is not None:
                figures.add(f"{label}, images/s in the second half", rate, "1/s", f"of {ended - middle:.1f} s")
            if (share_of_time := watch.busy(middle, ended)) is not None:
                figures.add(f"{label}, device busy in the second half", share_of_time, "%", "by the driver")
            figures.add(f"{label}, rows with an error", float(ours.errors))
            figures.add(f"{label}, MB of a worker", float(ours.peak_mb), "MB")


def _second_half(shards: Sequence[ShardSpan]) -> tuple[float, float, float | None]:
    """Returns when half of the shards and all of them had ended, and images/s between: by then most sizes were seen."""
    by_end = sorted(shards, key=lambda shard: shard.ended)
    middle, last = by_end[(len(by_end) - 1) // 2].ended, by_end[-1].ended
    rows = sum(shard.rows for shard in by_end if shard.ended > middle)
    return middle, last, rows / (last - middle) if last > middle else None


def _in_memory(setting: Setting, figures: Figures, canvas: str, weights: Path, engine: str) -> None:
    """Measures images/s of the network over images in memory, and how busy that keeps a GPU."""
    accelerated, size = setting.device == "cuda", parse_canvas(canvas)
    images = load_images(setting, 1000 if canvas == "1024" else 24)
    dtype = torch.bfloat16 if accelerated else torch.float32
    predictor = Predictor(
        open_detector(weights)[1], setting.device, dtype=dtype, engine=engine if accelerated else "torch"
    )
    candidates_of_all(predictor, images, size)
    wait(setting.device)
    seconds = median_seconds(setting, lambda: candidates_of_all(predictor, images, size), passes=4)
    label, note = f"{canvas}, {engine}", "no file, no Ray"
    figures.add(f"{label}, images/s in memory", len(images) / seconds, "1/s", note)
    if accelerated:
        share = 100 * busy(lambda: candidates_of_all(predictor, images, size))
        figures.add(f"{label}, device busy in memory", share, "%", note)
