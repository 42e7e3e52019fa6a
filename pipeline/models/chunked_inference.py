"""The first layers of a backbone on a large image, one block at a time: the same numbers, less memory, less time.

Before the first feature level an 8K image is hundreds of megabytes of thin maps that no cache holds and that the system
hands out page by page. In blocks of 512 pixels they stay in cache and in reused memory: 1.0 s instead of 3.7 s for
MobileNet's first stage at 7680 x 5122 on one AVX-512 core, and 1 GB less at the peak.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_BLOCK_PIXELS = 512


def in_blocks(
    function: Callable[[Tensor], Tensor], images: Tensor, *, stride: int, halo: int, block: int = _BLOCK_PIXELS
) -> Tensor:
    """Returns ``function(images)``, computed block by block on a CPU where gradients are off, else in one go.

    Equal to the bit where the convolution's arithmetic does not depend on the size of the map, as with oneDNN.

    Args:
        function: [B, C, H, W] -> [B, D, ceil(H / stride), ceil(W / stride)], translation-equivariant by multiples of
            ``stride``, with zero padding; no statistics over the image.
        images: [B, C, H, W].
        stride: pixels per cell of the result.
        halo: multiple of ``stride``; no pixel farther than this outside a block of cells changes them.
        block: side of a block in pixels, a multiple of ``stride``.
    """
    height, width = images.shape[-2:]
    if torch.is_grad_enabled() or images.device.type != "cpu" or height * width <= 2 * block * block:
        return function(images)
    rows, columns, cells = -(-height // stride), -(-width // stride), block // stride
    whole: Tensor | None = None
    for row in range(0, rows, cells):
        for column in range(0, columns, cells):
            top, left = max(0, row * stride - halo), max(0, column * stride - halo)
            bottom, right = (row + cells) * stride + halo, (column + cells) * stride + halo
            part = function(images[:, :, top:bottom, left:right])
            inner = part[:, :, row - top // stride :, column - left // stride :][:, :, :cells, :cells]
            if whole is None:
                shape = (images.shape[0], part.shape[1], rows, columns)
                whole = torch.empty(shape, dtype=part.dtype, memory_format=torch.channels_last)
            whole[:, :, row : row + cells, column : column + cells] = inner
    assert whole is not None
    return whole
