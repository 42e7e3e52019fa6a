"""Settings of torch and a network during training: determinism, precision, memory layout, batch norms."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic as uninitialised
from torch import Tensor, nn

from pipeline.training.recipes.base import Norms, Repeatable


@contextmanager
def deterministic(
    repeatable: Repeatable = "preferred", *, accelerated: bool | None = None, compiled: bool = False
) -> Iterator[None]:
    """Makes torch use operations whose result does not depend on timing; restores the settings at the end.

    Args:
        repeatable: "required": an operation that has no such form raises an error that names it. "preferred": the same
            on a CPU; on a GPU it is a warning, since a newer torch may lack what an older one had. "off": a GPU uses
            the fastest, and tries several for each size of its input; a CPU computes as always.
        accelerated: whether the training is on a GPU; None: if there is one.
        compiled: whether torch's compiler is used, which has a setting of its own.
    """
    on_gpu = torch.cuda.is_available() if accelerated is None else accelerated
    if repeatable == "off" and on_gpu:
        with _fastest():
            yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    filled = uninitialised.fill_uninitialized_memory  # type: ignore[attr-defined]
    # Otherwise every new tensor is filled first, which takes a tenth of a step on a CPU.
    uninitialised.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    _allow_only_deterministic(True, repeatable == "preferred" and on_gpu, compiled)
    try:
        yield
    finally:
        _allow_only_deterministic(before, warn_only, compiled)
        uninitialised.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def _allow_only_deterministic(enabled: bool, warn_only: bool, compiled: bool) -> None:
    if compiled or "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    else:
        # The same but for the compiler, whose import takes 1.2 s of every training.
        torch.set_deterministic_debug_mode(("warn" if warn_only else "error") if enabled else "default")


@contextmanager
def _fastest() -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def mixed(images: Tensor, bf16: bool, coarsest: int) -> torch.autocast:
    """Returns the context in which a network computes in bfloat16, where that is asked for and its gradient is right.

    On a CPU it is not where a kernel of stride 2 meets a map of one column: oneDNN leaves the taps beside the map
    uninitialised (torch 2.15, maps of 1 x 1, 2 x 1 and 5 x 1), so that the gradient is NaN, or 1e36, or right by
    chance. Images that small are computed in float32.

    Args:
        images: [B, 3, H, W] on the network's device.
        bf16: whether bfloat16 is asked for.
        coarsest: largest stride of the network's maps.
    """
    narrow = images.device.type == "cpu" and min(images.shape[-2:]) <= coarsest // 2
    return torch.autocast(images.device.type, torch.bfloat16, enabled=bf16 and not narrow)


@contextmanager
def channels_last(network: nn.Module) -> Iterator[None]:
    """Keeps the kernels channels-last, with which a step takes about 0.7 of the time on a CPU."""
    network.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        network.to(memory_format=torch.contiguous_format)


def set_norms(network: nn.Module, norms: Norms, processes: int = 1) -> None:
    """Puts a network into training mode with its batch norms as asked for, in place.

    Args:
        network: on its device.
        norms: "own": each process normalises by its own images; "sync": by those of all processes; "frozen": by the
            stored statistics, which stay as they are, like scale and shift.
        processes: that train together.

    Raises:
        ValueError: "sync" among several processes without GPUs, which torch cannot do.
    """
    network.train()
    if norms == "frozen":
        for norm in batch_norms(network):
            norm.eval()
            norm.requires_grad_(False)
    elif norms == "sync" and processes > 1:
        if next(network.parameters()).device.type == "cpu":
            raise ValueError(
                f"norms is sync, which needs GPUs, and {processes} processes train on CPUs: "
                "use norms: frozen, or one worker, where own and sync are the same"
            )
        # In place, since the network itself is no norm.
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Returns the batch norms of a network, of all dimensions and kinds."""
    return [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
