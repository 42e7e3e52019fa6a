"""What every engine is: pixels on a canvas in, raw answers out."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Normalisation

Answers = tuple[Tensor, ...]
Size = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """What an engine is made from: a network, and where and how it is to run.

    The network takes normalised images float [B, 3, H, W] of any sides and gives a tuple of tensors. It is in
    evaluation mode, folded for inference, in float32 on the CPU.
    """

    network: nn.Module  # the engine may change it
    normalisation: Normalisation  # of the images
    device: torch.device  # where pixels are expected and answers are given
    dtype: torch.dtype  # of the arithmetic
    threads: int  # of a CPU, for engines that have their own
    pads: bool  # whether padded canvases will be given; an engine that cannot take any says so


class Engine(Protocol):
    """A network made ready on one device.

    Attributes:
        pads: whether images of different sizes may share a padded canvas, see `pipeline.models.padding`.
    """

    pads: bool

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the network's answers for a batch; they may be overwritten by the next call.

        Args:
            pixels: uint8 [B, H, W, 3] in BGR order, on the device, not normalised.
            sizes: int [B, 2], (height, width) of each image in pixels where it does not fill the canvas, on the device;
                what is beyond it changes nothing, and answers for what is beyond mean nothing. None where all fill it.
                Only where the engine pads.
            alone: the same of a batch of one, known on the host; an engine may do without.
        """
