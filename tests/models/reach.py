"""How far a network sees, by autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Detector


def only_positive_weights(network: nn.Module) -> None:
    """Sets all weights of each convolution to one positive number and biases to 0: no rectifier hides a path."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(1 / module.weight[0].numel())
                if module.bias is not None:
                    module.bias.zero_()


def columns_seen(output: Tensor, images: Tensor) -> tuple[int, int]:
    """Returns the first and the last column of the images that a scalar output depends on."""
    (gradient,) = torch.autograd.grad(output, images, retain_graph=True)
    columns = gradient.abs().sum((0, 1, 2)).nonzero().squeeze(1)
    return int(columns[0]), int(columns[-1])


def farthest_pixel(detector: Detector, images: Tensor) -> int:
    """Returns how many pixels beside its own cell the middle anchor of any level sees, in the first row of a strip."""
    logits, first, farthest = detector(images).logits[0], 0, 0
    height, width = images.shape[2:]
    levels = zip(detector.strides, detector.grid.shapes(height, width), detector.grid.sizes, strict=True)
    for stride, (rows, columns), sizes in levels:
        cell = columns // 2
        left, right = columns_seen(logits[first + len(sizes) * cell].sum(), images)
        farthest = max(farthest, cell * stride - left, right + 1 - (cell + 1) * stride)
        first += rows * columns * len(sizes)
    return farthest
