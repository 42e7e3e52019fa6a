"""A detector from pixels to a tuple of arrays, as exporters and converters want it: every size stays free."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Detector
from pipeline.models.optimise import for_inference

OUTPUTS: Final = ("boxes", "logits", "landmarks")


class Traced(nn.Module):
    """uint8 [B, H, W, 3] to boxes, logits and where there are some landmarks; the normalisation is part of it."""

    def __init__(self, detector: Detector) -> None:
        """Takes a copy of the detector, folded for inference, in float32 on the CPU."""
        super().__init__()
        self.detector = for_inference(detector).float().cpu()
        rule = detector.normalisation
        scale = rule.scale if isinstance(rule.scale, tuple) else (rule.scale,) * 3
        order = slice(None, None, -1) if rule.rgb else slice(None)
        self._rgb = rule.rgb
        self.register_buffer("_mean", torch.tensor(rule.mean_bgr[order]).reshape(1, 3, 1, 1))
        self.register_buffer("_scale", torch.tensor(scale[order]).reshape(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Returns the fields of `Raw` that the detector has."""
        planes = pixels.permute(0, 3, 1, 2).float()
        planes = planes.flip(1) if self._rgb else planes
        raw = self.detector((planes - self._mean) * self._scale)
        return tuple(each for each in (raw.boxes, raw.logits, raw.landmarks) if each is not None)


def example() -> Tensor:
    """Returns pixels to trace with, of odd sides."""
    return torch.zeros(2, 161, 225, 3, dtype=torch.uint8)


@contextmanager
def tracing() -> Iterator[None]:
    """Within it a network can be traced: it runs in one go, where a loop over blocks would fix the traced size."""
    # Networks are cut into blocks on a CPU where gradients are off, and only there.
    with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
