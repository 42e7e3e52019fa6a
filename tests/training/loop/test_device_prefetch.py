"""Batches come in order, ready for a step; the next one is loaded early only where asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pipeline.models.detectors.detector import Normalisation
from pipeline.training.data.collate import PixelBatch
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.device_prefetch import DevicePrefetch
from tests.training.in_memory import InMemory, bright_squares

NORMAL = Normalisation((104.0, 117.0, 123.0))
BATCHES = BatchSampler(InMemory(bright_squares(side=64)), 2, 0, (64,))
CPU = torch.device("cpu")


def _noted(asked: list[int], steps: int = 3) -> Iterator[PixelBatch]:
    for step in range(steps):
        asked.append(step)
        yield BATCHES(step)


@pytest.mark.parametrize("early", [False, True])
def test_they_come_in_order_and_ready(early: bool) -> None:
    asked: list[int] = []
    staging = DevicePrefetch(_noted(asked), NORMAL, CPU, early=early)
    for step in range(3):
        taken = staging.take()
        wanted = BATCHES(step).to_batch(NORMAL)
        assert taken.pixels.image_ids == taken.batch.image_ids == wanted.image_ids
        assert torch.equal(taken.batch.images, wanted.images) and taken.waited >= 0
        staging.prepare()
        staging.prepare()  # one step ahead, however often it is asked
        assert len(asked) == min(3, step + 1 + early)
    with pytest.raises(StopIteration):
        staging.take()


def test_what_the_loaders_raise_comes_through() -> None:
    def broken() -> Iterator[PixelBatch]:
        yield BATCHES(0)
        raise OSError("the disk is gone")

    staging = DevicePrefetch(broken(), NORMAL, CPU, early=True)
    staging.take()
    with pytest.raises(OSError, match="the disk is gone"):
        staging.prepare()
