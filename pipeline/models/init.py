"""First weights of necks and heads, as the focal loss wants them; and none where a file's replace them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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


def without_random_weights() -> TorchFunctionMode:
    """Returns a context in which to make a network whose values are all replaced at once: memory is left as it is.

    The random numbers are half of what making a large network takes (0.4 s of HRNet-W48's 1.0 s), and torch's random
    state stays as it was. Of this thread alone.
    """
    return _AsItIs()


@contextmanager
def without_weights() -> Iterator[None]:
    """A context in which to make a network for its shapes alone: on the "meta" device, and nothing is drawn for it.

    There are no values on "meta", and yet the drawing imports torch's compiler and is most of the time.
    """
    with torch.device("meta"), without_random_weights():
        yield


# Torch asks a mode about the outermost function only: those of `nn.init`, where they ask at all, or what they call.
_DRAWING = {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_} | {
    getattr(nn.init, f"{kind}_{shape}_") for kind in ("kaiming", "xavier") for shape in ("normal", "uniform")
}


class _AsItIs(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        return (*args, *kwargs.values())[0] if func in _DRAWING else func(*args, **kwargs)
