"""What is asked back is what was there."""

from __future__ import annotations

import torch

from pipeline.training.loop.readback import Readback


def test_numbers_come_back() -> None:
    back = Readback(torch.tensor([1.5, float("inf"), -2.0]))
    assert back.numbers() == back.numbers() == [1.5, float("inf"), -2.0]
