"""Batches on the device; the next one is copied there while a step runs."""

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
        waited: seconds spent waiting for the loaders.
    """

    pixels: Loaded[Any]
    batch: Any
    waited: float


class DevicePrefetch:
    """Copies batches from loaders to a device.

    On a GPU copies and normalisation run on a stream of their own, beside the running step: pixels are copied as they
    are, from pinned memory.
    """

    def __init__(
        self, loaded: Iterator[Loaded[Any]], normalisation: Normalisation, device: torch.device, *, early: bool
    ) -> None:
        """Reads nothing yet.

        Args:
            loaded: batches in order.
            normalisation: of the pixels.
            device: where batches go.
            early: whether `prepare` does anything.
        """
        self._loaded, self._normalisation, self._device, self._early = loaded, normalisation, device, early
        self._next: Staged | None = None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def take(self) -> Staged:
        """Returns the next batch; raises StopIteration behind the last one, and the loaders' errors."""
        taken, self._next = self._next or self._staged(), None
        if taken is None:
            raise StopIteration
        if self._stream is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_stream(self._stream)
            for each in _on_device(taken.batch):
                each.record_stream(current)  # else its memory could be reused before the step has read it
        return taken

    def prepare(self) -> None:
        """Starts to copy the next batch, if there is one; to be called when a step has been begun."""
        if self._early and self._next is None:
            self._next = self._staged()

    def _staged(self) -> Staged | None:
        start = time.monotonic()
        pixels = next(self._loaded, None)
        waited = time.monotonic() - start
        if pixels is None:
            return None
        with torch.cuda.stream(self._stream):  # of None: nothing
            return Staged(pixels, pixels.to_batch(self._normalisation, self._device), waited)


def _on_device(batch: Any) -> list[Tensor]:
    values = [getattr(batch, each.name) for each in fields(batch)]
    return [each for each in values if isinstance(each, Tensor) and each.is_cuda]
