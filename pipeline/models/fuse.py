"""The same network, faster, for inference only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pipeline.models.heads import DenseHeads
from pipeline.models.init import without_random_weights
from pipeline.models.network_copy import Network, copy_modules


def for_inference(network: Network) -> Network:
    """Returns a copy whose answers are the same up to rounding (1e-6 of their size) and whose pass is cheaper.

    Batch norms are folded into their convolutions, the heads of a level become one convolution, weights are channels
    last, gradients are off. The copy cannot be trained, saved or loaded into.
    """
    # The modules are copied, and of the tensors only those that are not replaced.
    theirs = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    fast = copy_modules(network).eval()
    _fold(fast)
    with without_random_weights():
        for module in list(fast.modules()):
            for name, child in module.named_children():
                if isinstance(child, DenseHeads):
                    setattr(module, name, child.joined())
    own: dict[int, Tensor] = {}
    for module in fast.modules():
        both: list[dict[str, Any]] = [module._parameters, module._buffers]
        for tensors in both:
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = own.setdefault(id(tensor), _laid_out(tensor, copied=id(tensor) in theirs))
    return fast


def _fold(module: nn.Module) -> None:
    """Folds every batch norm that is registered right after its convolution, the order in which all our parts run."""
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], nn.Conv2d):
            conv, norm = previous[1], child
            assert norm.running_mean is not None and norm.running_var is not None
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            setattr(module, name, nn.Identity())
        else:
            _fold(child)
        previous = (name, child)


def _laid_out(tensor: Tensor, *, copied: bool) -> Tensor:
    """Returns a parameter or buffer without gradient, kernels channels last."""
    values = tensor.detach().clone() if copied else tensor.detach()
    if values.dim() in (4, 5):
        values = values.to(memory_format=torch.channels_last)
    return nn.Parameter(values, requires_grad=False) if isinstance(tensor, nn.Parameter) else values
