"""Compiled networks beside plain ones, at 1024 and at 8K: is it worth its time."""

from __future__ import annotations

import time

import torch

from jobs.benchmarks.forward import settled
from jobs.gpu.figures import Figures
from jobs.gpu.networks import _empty, _seconds, _told
from jobs.gpu.parts import Setting
from pipeline.models.detectors import detector_spec
from pipeline.models.optimise import for_inference


def compiled(setting: Setting, figures: Figures, name: str) -> None:
    """Measures the network alone in bfloat16, as it is and compiled, and what compiling takes."""
    torch.manual_seed(0)
    network = for_inference(settled(detector_spec(name).build().to(setting.device))).to(setting.device, torch.bfloat16)
    sizes = {"64": (2, 64, 64)} if setting.tiny else {"1024, batch of 8": (8, 704, 1024), "8K": (1, 5120, 7680)}
    for label, (count, height, width) in sizes.items():
        with _told(figures, label), torch.inference_mode():
            _empty(setting.device)
            seen = (
                torch.rand(count, height, width, 3, device=setting.device)
                .permute(0, 3, 1, 2)
                .mul(255)
                .sub(110)
                .bfloat16()
            )
            figures.add(f"{label}, plain", 1000 * _seconds(setting, lambda x=seen: network(x)), "ms")
            begun = time.perf_counter()
            fast = torch.compile(network, dynamic=False)
            fast(seen)
            figures.add(f"{label}, compiling", time.perf_counter() - begun, "s")
            figures.add(f"{label}, compiled", 1000 * _seconds(setting, lambda x=seen, run=fast: run(x)), "ms")
