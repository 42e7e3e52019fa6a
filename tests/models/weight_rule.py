"""Weights and inputs of the reference vectors: every number follows from the name of its tensor."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

NETS = {
    "baseline": ("mogface_baseline", 36_068_318),
    "hcam": ("mogface_hcam", 41_786_852),
    "mogface": ("mogface_official", 85_268_938),
    "mogface_e": ("mogface_e_official", 85_667_402),
}
"""Published networks by the names of their files: our entry, and the number of parameters that they have."""

_AT_ONCE = 1 << 15  # numbers that stay in a core's cache while they are made
_HEADS = {"pred_cls", "pred_loc", "dsfd_conf", "dsfd_loc"}


def numbers(name: str, count: int) -> np.ndarray:
    """Returns float64 [count] in -1..1 by integer mixing of position and name, in 32-bit wrap-around arithmetic."""
    v = np.empty(count)
    start = np.uint32(zlib.crc32(name.encode()))
    for first in range(0, count, _AT_ONCE):
        part = v[first : first + _AT_ONCE]
        x = np.arange(first, first + len(part), dtype=np.uint32)
        x += start
        x ^= x >> 16
        x *= np.uint32(0x7FEB352D)
        x ^= x >> 15
        x *= np.uint32(0x846CA68B)
        x ^= x >> 16
        part[:] = x
        part += 0.5
        part *= 2 / 2**32
        part -= 1
    return v


def tensor(name: str, shape: list[int]) -> Tensor:
    """Returns the tensor of that name in a published state dict."""
    parts = set(name.split("."))
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    v = numbers(name, int(np.prod(shape)))
    if len(shape) == 4:
        v *= (0.3 if parts & _HEADS else 1.4) * np.sqrt(3 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith("running_mean"):
        v *= 0.1
    elif name.endswith("running_var"):
        v = 1 + 0.5 * np.abs(v)
    elif name.endswith("bias"):
        v = 0.05 * v - (3 if parts & {"pred_cls", "dsfd_conf"} else 0)
    else:
        v = (0.25 if "bn3" in parts else 1) * (1 + 0.2 * v)
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def published(shared: Path, net: str) -> list[dict[str, Any]]:
    """Returns name, shape, type and trainable of every entry of a published state dict."""
    return json.loads((shared / f"reference/mogface/state_dict_{net}.json").read_text())["entries"]


def checkpoint(shared: Path, net: str) -> bytes:
    """Returns a PyTorch checkpoint under the published names, filled by the rule."""
    buffer = io.BytesIO()
    torch.save({entry["name"]: tensor(entry["name"], entry["shape"]) for entry in published(shared, net)}, buffer)
    return buffer.getvalue()


def images(height: int, width: int, seed: int, batch: int = 1) -> Tensor:
    """Returns the input [batch, 3, height, width] of unit variance."""
    v = numbers(f"input:{height}x{width}:{seed}", batch * 3 * height * width)
    return torch.from_numpy((np.sqrt(3) * v).astype(np.float32).reshape(batch, 3, height, width))
