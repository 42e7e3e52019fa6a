"""A dump through Ray, and beside it the same batches over images in memory, on one device."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jobs.benchmarks.detecting import BOXES, detecting_graph
from jobs.benchmarks.images import gather, model_for
from jobs.benchmarks.pipeline_run import ShardSpan, run_node
from jobs.gpu.device_watch import DeviceWatch
from jobs.gpu.figures import Figures
from jobs.gpu.measuring import busy, median_seconds, wait
from jobs.gpu.parts import Setting
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store

IMAGES = {"1024": 12_000, "8k": 200}
SHARD = {"1024": 250, "8k": 10}
WORKERS = {"1024": (1, 4), "8k": (1,)}  # at 8K one worker keeps the device at work


def pipeline(setting: Setting, figures: Figures, canvas: str, engine: str, detector: str) -> None:
    """Measures images/s of node `predict` in bfloat16, by one worker and by several."""
    images = 4 if setting.tiny else IMAGES[canvas]
    accelerated = setting.device == "cuda"
    size = "64" if setting.tiny else canvas
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as store_folder:
        _, what = gather(Path(folder), images, setting.shared)
        model, network = model_for(Path(store_folder), size, setting.shared, detector)
        if accelerated:
            model = replace(model.on_gpu("bfloat16"), engine=engine)
        if not setting.tiny:
            # In a process of its own, so that its memory is free for the workers.
            _alone(figures, canvas, model.weights, engine, setting)
        for workers in WORKERS[canvas] if accelerated else (1,):
            share = 1 / workers if accelerated else 0.0
            cpus, shard_rows = (1, 2) if setting.tiny else (12 // workers, SHARD[canvas])
            resources = Resources(workers=workers, cpus=cpus, gpus=share, shard_rows=shard_rows)
            with DeviceWatch() as watch:
                ours = run_node(detecting_graph(model, Path(folder), resources), BOXES, Store(f"{store_folder}/store"))
            label = f"{canvas}, {model.engine}, {workers} worker{'s' * (workers > 1)}"
            figures.add(f"{label}, images/s through Ray", ours.rate, "1/s", f"{what}, {network}")
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


def _alone(figures: Figures, canvas: str, weights: Path, engine: str, setting: Setting) -> None:
    command = [sys.executable, "-m", "jobs.gpu.pipeline", str(weights), canvas, engine, setting.device]
    command += [str(setting.shared or "")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        if value:
            unit = "%" if "busy" in name else "1/s"
            figures.add(f"{canvas}, {engine}, {name}", float(value), unit, "no file, no Ray")
    if done.returncode:
        figures.add(f"{canvas}, {engine}, alone", "failed", note=done.stderr[-200:])


def _main(weights: str, canvas: str, engine: str, device: str, shared: str) -> None:
    import torch

    from jobs.gpu.dumping import candidates_of_all, load_images
    from pipeline.data.canvas import parse_canvas
    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    setting = Setting(device, False, Path(shared) if shared else None, Path())
    images = load_images(setting, 1000 if canvas == "1024" else 24)
    _, detector = open_detector(Path(weights), None)
    size, dtype = parse_canvas(canvas), torch.bfloat16 if device == "cuda" else torch.float32
    predictor = Predictor(detector, device, dtype=dtype, engine=engine if device == "cuda" else "torch")
    candidates_of_all(predictor, images, size)
    wait(device)
    seconds = median_seconds(setting, lambda: candidates_of_all(predictor, images, size), passes=4)
    print(f"images/s in memory={len(images) / seconds}", flush=True)
    if device == "cuda":
        print(f"device busy in memory={100 * busy(lambda: candidates_of_all(predictor, images, size))}", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
