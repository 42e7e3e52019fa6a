"""Norms follow the recipe; torch's settings and the kernels' layout are restored."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.determinism import channels_last, deterministic, mixed, set_norms
from pipeline.training.recipes.base import Norms, Repeatable
from pipeline.training.recipes.detector import DetectorRecipe
from tests.training.in_memory import InMemory, bright_squares
from tests.training.plain_loop import normalised, train


def _detector() -> Detector:
    torch.manual_seed(0)
    return DETECTORS["retinaface_mobilenet"].build()


def _norms(detector: nn.Module) -> dict[str, torch.Tensor]:
    """Returns all that belongs to batch norms: scale, shift, statistics and counters."""
    return {
        f"{name}.{key}": value.clone()
        for name, part in detector.named_modules()
        if isinstance(part, nn.BatchNorm2d)
        for key, value in part.state_dict().items()
    }


@pytest.mark.parametrize("norms", ["own", "frozen"])
def test_frozen_norms_do_not_move_while_all_else_does(norms: Norms) -> None:
    detector = _detector()
    batches = normalised(BatchSampler(InMemory(bright_squares()), 4, 1), detector.normalisation)
    before, kernels = _norms(detector), {name: p.detach().clone() for name, p in detector.named_parameters()}
    train(
        detector, batches, DetectorRecipe(steps=3, batch=4, warmup=0, norms=norms, weight_decay=0.1, decay_biases=True)
    )
    after = _norms(detector)
    assert len(before) > 100
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    if norms == "frozen":
        assert not moved
    else:
        assert {name.rsplit(".", 1)[1] for name in moved} == {
            "weight", "bias", "running_mean", "running_var", "num_batches_tracked"
        }  # fmt: skip
    others = [name for name in kernels if name not in before]
    assert sum(not torch.equal(kernels[name], detector.state_dict()[name]) for name in others) > 50


def test_frozen_norms_stay_in_evaluation_mode_and_the_rest_trains() -> None:
    detector = _detector().eval()
    set_norms(detector, "frozen")
    parts = [part for part in detector.modules() if not list(part.children())]
    assert all(part.training == (not isinstance(part, nn.BatchNorm2d)) for part in parts)
    assert not any(p.requires_grad for part in parts if isinstance(part, nn.BatchNorm2d) for p in part.parameters())


def test_sync_among_processes_on_cpus_is_refused_with_advice() -> None:
    detector = _detector()
    with pytest.raises(ValueError, match=r"sync, which needs GPUs, and 2 processes .*norms: frozen, or one worker"):
        set_norms(detector, "sync", processes=2)
    assert not any(isinstance(part, nn.SyncBatchNorm) for part in detector.modules())


def test_sync_alone_is_own() -> None:
    detector = _detector()
    set_norms(detector, "sync", processes=1)
    assert detector.training
    assert not any(isinstance(part, nn.SyncBatchNorm) for part in detector.modules())


def test_settings_are_restored_after_an_error() -> None:
    network = nn.Conv2d(4, 4, 3)

    def broken() -> None:
        with deterministic(), channels_last(network):
            assert torch.are_deterministic_algorithms_enabled()
            assert network.weight.is_contiguous(memory_format=torch.channels_last)
            assert not network.weight.is_contiguous()
            raise RuntimeError("a step went wrong")

    with pytest.raises(RuntimeError, match="a step went wrong"):
        broken()
    assert not torch.are_deterministic_algorithms_enabled()
    assert network.weight.is_contiguous()


@pytest.mark.parametrize("repeatable", ["required", "preferred", "off"])
def test_operations_that_depend_on_timing_are_refused_on_a_cpu(repeatable: Repeatable) -> None:
    before = torch.backends.cudnn.benchmark
    with deterministic(repeatable, accelerated=False), pytest.raises(RuntimeError, match="deterministic"):
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]), accumulate=False)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark == before


def test_on_a_gpu_they_are_warned_of_or_taken() -> None:
    numbers, places = torch.tensor([1.0, 2.0]), torch.tensor([0, 0])
    with deterministic("preferred", accelerated=True), pytest.warns(UserWarning, match="deterministic"):
        torch.zeros(4).put_(places, numbers, accumulate=False)
    with deterministic("off", accelerated=True):
        assert torch.backends.cudnn.benchmark
        torch.zeros(4).put_(places, numbers, accumulate=False)
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("side", [64, 96, 128])
def test_bfloat16_gives_a_gradient_that_does_not_depend_on_what_memory_held(side: int) -> None:
    """On a map of one column torch's own kernel reads what it never wrote; see `mixed`."""
    torch.manual_seed(0)
    shrink = nn.Conv2d(8, 8, 3, stride=2, padding=1)
    images = torch.randn(2, 3, side, side)
    map_of = torch.randn(2, 8, -(-side // 64), -(-side // 64))
    with mixed(images, True, 128):
        out = shrink(map_of)
    assert out.dtype == (torch.float32 if side <= 64 else torch.bfloat16)
    out.float().sum().backward()
    exact = torch.autograd.grad(shrink(map_of).sum(), shrink.weight)[0]
    torch.testing.assert_close(shrink.weight.grad, exact, rtol=0.02, atol=0.02)
