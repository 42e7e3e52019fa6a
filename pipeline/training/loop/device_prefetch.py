"""Batches on the device, the next one on its way there while a step is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.training.data.sampler import Loaded

if TYPE_CHECKING:
    from pipeline.models.detectors.detector import Normalisation


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch, ready for a step.

    Attributes:
        pixels: as loaders made it.
        batch: as a step takes it, on the device.
        waited: seconds that were spent waiting for the loaders.
    """

    pixels: Loaded[Any]
    batch: Any
    waited: float


class DevicePrefetch:
    """Takes batches from loaders and brings them to a device.

    On a GPU copies and normalisation run on a stream of their own, beside the step at work: pixels travel as they
    are, from pinned memory.
    """

    def __init__(
        self, coming: Iterator[Loaded[Any]], normalisation: Normalisation, device: torch.device, *, early: bool
    ) -> None:
        """Takes nothing yet.

        Args:
            coming: from loaders, in order.
            normalisation: of the pixels.
            device: where batches go.
            early: whether `prepare` does anything.
        """
        self._coming, self._normalisation, self._device, self._early = coming, normalisation, device, early
        self._next: Staged | None = None
        self._beside = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def take(self) -> Staged:
        """Returns the next batch; raises StopIteration behind the last one, and whatever the loaders raise."""
        taken, self._next = self._next or self._staged(), None
        if taken is None:
            raise StopIteration
        if self._beside is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_stream(self._beside)
            for each in _on_device(taken.batch):
                each.record_stream(current)  # else its memory could be given away before the step has used it
        return taken

    def prepare(self) -> None:
        """Begins to bring over the next batch, if there is one; to be called when a step has been begun."""
        if self._early and self._next is None:
            self._next = self._staged()

    def _staged(self) -> Staged | None:
        asked = time.monotonic()
        pixels = next(self._coming, None)
        waited = time.monotonic() - asked
        if pixels is None:
            return None
        with torch.cuda.stream(self._beside):  # of None: nothing
            return Staged(pixels, pixels.to_batch(self._normalisation, self._device), waited)


def _on_device(batch: Any) -> list[Tensor]:
    values = [getattr(batch, each.name) for each in fields(batch)]
    return [each for each in values if isinstance(each, Tensor) and each.is_cuda]
