import copy

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.network_copy import copy_modules, copy_network


class Odd(nn.Module):
    """Layers that are used twice, known by other names too, with what else a module may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
        self.again = self.first
        self.shared = nn.Conv2d(3, 3, 1)
        self.tied = nn.Conv2d(3, 3, 1)
        self.tied.weight = self.shared.weight
        self.register_buffer("scale", torch.ones(1), persistent=False)
        self.listed = [self.shared]
        self.settings = {"a": [1]}

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.tied(self.listed[0](self.again(self.first(images)))) * self.scale
        return out


@pytest.mark.parametrize("make", [Odd, DETECTORS["mogface_mobilenet"].build], ids=["odd", "mogface_mobilenet"])
def test_a_copy_is_what_deepcopy_gives(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = make().train()
    ours, theirs = copy_network(network), copy.deepcopy(network)
    assert repr(ours) == repr(theirs)
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    for one, other in zip(ours.modules(), theirs.modules(), strict=True):
        assert type(one) is type(other) and one.__dict__.keys() == other.__dict__.keys() and one.training
    tensors = [dict(list(each.named_parameters()) + list(each.named_buffers())) for each in (ours, theirs, network)]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        assert torch.equal(tensor, tensors[1][name]) and tensor.stride() == tensors[1][name].stride()
        assert type(tensor) is type(tensors[1][name]) and tensor.requires_grad == tensors[1][name].requires_grad
        assert tensor.data_ptr() != tensors[2][name].data_ptr()


def test_the_copy_has_the_same_ties_and_shares_nothing() -> None:
    network = Odd()
    network.register_forward_hook(lambda *_: None)
    other = copy_network(network)
    assert other.again is other.first and other.listed[0] is other.shared and other.shared is not network.shared
    assert other.tied.weight is other.shared.weight and network.tied.weight is network.shared.weight
    other.settings["a"].append(2)
    other.register_forward_hook(lambda *_: None)
    assert network.settings == {"a": [1]} and len(network._forward_hooks) == 1
    assert "scale" not in other.state_dict()


def test_modules_alone_keep_the_tensors() -> None:
    network = Odd()
    other = copy_modules(network)
    assert other.shared is not network.shared and other.shared.weight is network.shared.weight
    other.shared.weight = nn.Parameter(torch.zeros(3, 3, 1, 1))
    assert network.shared.weight.any()
