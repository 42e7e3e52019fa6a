"""First weights of necks and heads, as the focal loss wants them."""

from __future__ import annotations

import math

from torch import nn

# Every anchor starts as a face with probability 0.01, so that the many backgrounds do not drown the first steps.
FOCAL_PRIOR_BIAS = -math.log((1 - 0.01) / 0.01)


def init_normal(module: nn.Module, deviation: float = 0.01) -> None:
    """Samples every convolution of a part from N(0, deviation) with bias 0, in place; norms stay at 1 and 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, 0.0, deviation)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def init_focal_prior(module: nn.Module) -> None:
    """Sets the bias of every convolution of a class head to the focal prior -4.595, in place."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            nn.init.constant_(part.bias, FOCAL_PRIOR_BIAS)
