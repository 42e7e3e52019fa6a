"""On the host nothing is copied."""

from __future__ import annotations

import torch

from pipeline.models.transfer import to_device


def test_on_the_host_it_is_the_very_same_tensor() -> None:
    values = torch.arange(3)
    assert to_device(values, "cpu") is values
    assert to_device(values, torch.device("cpu")) is values


def test_elsewhere_it_is_there() -> None:
    assert to_device(torch.arange(3), "meta").is_meta
