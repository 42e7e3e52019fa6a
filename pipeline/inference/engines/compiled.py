"""torch.compile: one kernel where eager torch has several, after some seconds of compiling at the first passes."""

from typing import cast

import torch
from torch import Tensor

from pipeline.inference.engines.eager import Eager
from pipeline.inference.engines.engine import Answers, EngineSetup, Size

_COMPILATIONS = 128


class Compiled:
    """The engine "compiled".

    On a CPU one compilation serves all sizes. On a GPU each size of canvas, of which padding leaves few, has its own
    for all batches: with the sides free too, arithmetic of sizes in place of numbers takes minutes.
    """

    def __init__(self, setup: EngineSetup) -> None:
        """Takes over the setup's network."""
        self.pads = setup.pads
        # Beyond its limit torch would go on uncompiled and say nothing: canvases, each for one image and for several.
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _COMPILATIONS)
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        self._network = torch.compile(Eager(setup), dynamic=not setup.pads)

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the answers, see `Engine`."""
        if self.pads and len(pixels) > 1:
            for each in (pixels,) if sizes is None else (pixels, sizes):
                torch._dynamo.mark_dynamic(each, 0)
        return cast(Answers, self._network(pixels, sizes))
