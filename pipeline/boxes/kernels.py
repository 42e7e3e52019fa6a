"""Torchvision's kernels without its Python, which imports torch's compiler: 1.4 s and 150 MB of every process."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch


@cache
def kernel(name: str) -> Any:
    """Returns one of them, ``torch.ops.torchvision``'s, or None: then the package's own function is to be taken.

    A kernel knows nothing of gradients; `torch.library` has them registered by the package's Python.

    Args:
        name: such as "nms".
    """
    found = find_spec("torchvision") if "torchvision" not in sys.modules else None
    if found is None or found.origin is None:
        return None
    with suppress(OSError):  # the package says what is wrong with it
        for library in Path(found.origin).parent.glob("_C*.so"):
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    # Other systems and versions name their library differently.
    return getattr(torch.ops.torchvision, name, None)
