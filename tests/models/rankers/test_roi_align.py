from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.models.rankers import roi_align as module
from pipeline.models.rankers.roi_align import roi_align


def _kernel(name: str) -> Any:
    """What a process without torchvision's Python has."""
    return getattr(torch.ops.torchvision, name)


def test_answer_and_gradient_are_torchvisions_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.ops import roi_align as whole

    torch.manual_seed(0)
    maps, corner, weights = torch.randn(2, 3, 20, 30), torch.rand(40, 2) * 260 - 20, torch.randn(40, 3, 5, 5)
    regions = torch.cat([torch.arange(40)[:, None] % 2, corner, corner + 4 + 90 * torch.rand(40, 2)], dim=1)

    def of(sample: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
        learning = maps.clone().requires_grad_()
        answer = sample(learning, regions)
        (answer * weights).sum().backward()
        assert learning.grad is not None
        with torch.inference_mode():
            return [answer.detach(), learning.grad, sample(maps, regions), sample(maps, regions[:0])]

    theirs = of(lambda own, chosen: whole(own, chosen, 5, 1 / 8, 1, aligned=True))
    assert theirs[1].any()
    for kernel in (_kernel, lambda name: None):  # without the package, and beside it
        monkeypatch.setattr(module, "kernel", kernel)
        ours = of(lambda own, chosen: roi_align(own, chosen, 5, 1 / 8))
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_on_another_device_it_is_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "kernel", _kernel)
    monkeypatch.setattr(module._RoIAlign, "apply", None)
    maps, regions = torch.ones(1, 1, 8, 8, device="meta"), torch.ones(3, 5, device="meta")
    assert roi_align(maps, regions, 5, 1 / 8).shape == (3, 1, 5, 5)
