"""torch.compile: one kernel where eager torch has several, after some seconds of compiling at the first passes."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from pipeline.inference.engines.eager import PixelNetwork
from pipeline.inference.engines.engine import Job


class Compiled:
    """The engine "compiled": one compilation for all sizes."""

    def __init__(self, job: Job) -> None:
        """Takes over the job's network."""
        self.pads = job.pads
        self._network = torch.compile(PixelNetwork(job), dynamic=True)

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Returns the answers, see `Engine`."""
        return cast(tuple[Tensor, ...], self._network(pixels, sizes))
