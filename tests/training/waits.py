"""Finds operations that would make the host wait for a device, without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner, PartialAssignment
from pipeline.training.assigners.faces import FaceBatch

WAITING = (
    "_local_scalar_dense",  # item(), float(), int(), bool(), tolist() of one number
    "is_nonzero",
    "equal",
    "nonzero",
    "nonzero_static",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
    "repeat_interleave",
    "histc",
)
"""Operations whose answer, or its length, the host must have before it goes on."""


class Waits(TorchDispatchMode):
    """Notes every operation that would wait, and every index by a mask of booleans.

    Attributes:
        found: their names, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.watching = True

    def __torch_dispatch__(
        self, function: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        masked = name.startswith(("index", "_index_put")) and any(
            isinstance(each, torch.Tensor) and each.dtype in (torch.bool, torch.uint8)
            for each in (args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ())
        )
        if self.watching and (name in WAITING or masked):
            self.found.append(f"{name} by a mask" if masked else name)
        return function(*args, **(kwargs or {}))

    def on_host(self, assigner: Assigner) -> Assigner:
        """Returns the assigner; what it plans, on the host by contract, is not checked."""
        return _OnHost(assigner, self)


class _OnHost:
    def __init__(self, assigner: Assigner, waits: Waits) -> None:
        self._assigner, self._waits = assigner, waits
        self.needs_prediction = assigner.needs_prediction  # type: ignore[misc]

    def __call__(self, *arguments: Any) -> Any:
        return self._assigner(*arguments)

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> PartialAssignment:
        assert anchors.corners.device.type == faces.boxes.device.type == "cpu"
        return self._unseen(lambda: self._assigner.prepare(anchors, faces))

    def _unseen(self, work: Callable[[], PartialAssignment]) -> PartialAssignment:
        self._waits.watching = False
        try:
            return work()
        finally:
            self._waits.watching = True
