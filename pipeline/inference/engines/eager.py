"""torch as it is, and what the other torch engines are made of."""

from typing import cast

from torch import Tensor, nn

from pipeline.inference.engines.engine import Answers, EngineSetup, Size
from pipeline.models.padding import Layout, Padding


class Eager(nn.Module):
    """The engine "torch"; on a CPU the one whose bytes all others are compared with.

    A network from pixels on: normalised, and where images are smaller than the canvas kept to themselves.
    """

    def __init__(self, setup: EngineSetup) -> None:
        """Takes over the setup's network."""
        super().__init__()
        self.pads = setup.pads
        self.network = setup.network.to(device=setup.device, dtype=setup.dtype)
        self._normalisation, self._dtype = setup.normalisation, setup.dtype
        self._padding = Padding(self.network) if setup.pads else None

    def forward(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the answers, see `Engine`."""
        images = self._images(pixels)
        if self._padding is not None:
            self._padding.lay(Layout(sizes, pixels.shape[1], pixels.shape[2], self._dtype, alone))
            images = self._padding.image.masked(images)
        return cast(Answers, self.network(images))

    def _images(self, pixels: Tensor) -> Tensor:
        # In a frame of its own: on a CPU the float32 copy is gone before the network begins.
        return self._normalisation(pixels).permute(0, 3, 1, 2).to(self._dtype)
