"""Rankers on one device: milliseconds and memory over 5,000 boxes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from jobs.gpu.dumping import load_images
from jobs.gpu.figures import Figures
from jobs.gpu.measuring import catch_out_of_memory, empty, median_seconds
from jobs.gpu.parts import Setting
from pipeline.boxes.box_table import box_table
from pipeline.data.canvas import Canvas, parse_canvas
from pipeline.data.images import resize
from pipeline.data.records import ScoredBoxes
from pipeline.inference.rerank import Reranker
from pipeline.models.fuse import for_inference
from pipeline.models.rankers import RANKERS


def rank(setting: Setting, figures: Figures, name: str) -> None:
    """Measures one ranker of random weights over 5,000 boxes at 1024 and at 8K, in float32."""
    rows = 100 if setting.tiny else 5000
    torch.manual_seed(0)
    ranker, image = RANKERS.find(name).build(num_candidates=rows).eval(), load_images(setting, 1)[0]
    height, width = image.shape[:2]
    found = _candidates(rows, height, width)
    sizes = {"64": Canvas(64)} if setting.tiny else {"1024": Canvas(1024), "8K": parse_canvas("8k")}
    for label, canvas in sizes.items():
        with catch_out_of_memory(figures, f"{label} float32"):
            empty(setting.device)
            reranker = Reranker(ranker, setting.device, canvas=canvas)
            seconds = median_seconds(setting, partial(reranker, image, found))  # from decoded image to arrays
            figures.add(f"{label} float32, an image", 1000 * seconds, "ms")
            if setting.device == "cuda":
                figures.add(f"{label} float32, peak memory", torch.cuda.max_memory_allocated() / 2**20, "MB")
            fast = for_inference(ranker).to(setting.device)
            pixels = torch.from_numpy(resize(image, *canvas.size(width, height))).to(setting.device)
            table, valid = box_table(found.boxes, found.scores, width, height, rows)
            tables = torch.from_numpy(table)[None].to(setting.device)
            count = torch.tensor([valid], device=setting.device)

            def forward(network: Any = fast, seen: Any = pixels, boxes: Any = tables, real: Any = count) -> None:
                network(network.normalisation(seen).permute(2, 0, 1)[None], boxes, real)

            with torch.inference_mode():
                figures.add(f"{label} float32, network alone", 1000 * median_seconds(setting, forward), "ms")


def _candidates(count: int, height: int, width: int) -> ScoredBoxes:
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, [width - 60, height - 60], (count, 2)), rng.uniform(8, 60, (count, 1))
    scores = np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1].copy()
    return ScoredBoxes(np.hstack([corner, corner + side]).astype(np.float32), scores, None)
