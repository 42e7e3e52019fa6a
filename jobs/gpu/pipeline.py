"""A dump through Ray and beside it the bare network over images in memory, on one device."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from jobs.benchmarks.bare_loop import bare_loop
from jobs.benchmarks.detecting import BOXES, detecting, detecting_graph
from jobs.benchmarks.pictures import gather, model_for
from jobs.benchmarks.pipeline_run import run_node
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store

IMAGES = {"1024": 800, "8k": 48}


def pipeline(setting: Setting, figures: Figures, canvas: str) -> None:
    """Measures images/s of node `predict` with `retinaface_mobilenet` in bfloat16, and of the bare network."""
    images, gpus = (4 if setting.tiny else IMAGES[canvas]), float(setting.device == "cuda")
    size = "64" if setting.tiny else canvas
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as place:
        files, what = gather(Path(folder), images, setting.shared)
        model, network = model_for(Path(place), size, setting.shared)
        if setting.device == "cuda":
            model = model.on_gpu("bfloat16")
        resources = Resources(workers=1, cpus=1 if setting.tiny else 4, gpus=gpus, shard_rows=max(1, images // 8))
        ours = run_node(detecting_graph(model, Path(folder), resources), BOXES, Store(f"{place}/store"))
        figures.add(f"{canvas}, images/s through Ray", ours.rate, "images/s", f"{what}, {network}, one worker")
        figures.add(f"{canvas}, rows with an error", float(ours.errors))
        bare = bare_loop(partial(detecting, model, files), len(files), 1, int(resources.cpus))
        figures.add(f"{canvas}, images/s, bare network", bare.rate, "images/s", "decoded in memory, nothing written")
        figures.add(f"{canvas}, ratio", ours.rate / bare.rate)
