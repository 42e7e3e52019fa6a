"""What every engine is: pixels on a canvas in, a detector's raw answers out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from pipeline.models.detectors.detector import Raw


class Engine(Protocol):
    """A detector's network made ready on one device.

    Attributes:
        device: where pixels are expected and answers are given.
        pads: whether images of different sizes may share a padded canvas, see `pipeline.models.padding`.
    """

    device: torch.device
    pads: bool

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None) -> Raw:
        """Returns the raw answers of a batch.

        Args:
            pixels: uint8 [B, H, W, 3] in BGR order, on the device, not normalised.
            sizes: int [B, 2], (height, width) of each image in pixels where it does not fill the canvas, on the device;
                what is beyond it changes nothing. None where all do. Only where the engine pads.

        Returns:
            as `Detector.forward`; the numbers of anchors beyond an image mean nothing. They may be overwritten by the
            next call.
        """
