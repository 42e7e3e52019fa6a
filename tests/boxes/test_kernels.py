from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from pipeline.boxes.kernels import kernel

_find = kernel.__wrapped__


def test_it_is_torchvisions_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing of it is imported is seen in a new process, in `test_suppression.py`."""
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    boxes = torch.tensor([[0.0, 0, 6, 0], [3, 0, 9, 0], [20, 0, 26, 5], [20, 0, 26, 4]])
    assert _find("nms")(boxes, torch.tensor([0.6, 0.7, 0.8, 0.9]), 0.5).tolist() == [3, 1, 0]
    assert _find("nothing") is None


def test_beside_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own function does the same, with gradients, and costs nothing more."""
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    assert _find("nms") is None


def test_it_is_looked_for_once() -> None:
    assert kernel("nms") is kernel("nms")
