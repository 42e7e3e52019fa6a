"""The same network as torchvision's: names, random weights, answers and gradients, to the bit."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torchvision.models import resnet

from pipeline.models.backbones.bottleneck import Bottleneck, Stack


@pytest.fixture(scope="module")
def pair() -> tuple[Stack, resnet.ResNet]:
    """Ours and theirs of the same seed, as deep as a network whose every kind of block is there."""
    made = []
    for build in (lambda: Stack((1, 2, 1, 2)), lambda: resnet.ResNet(resnet.Bottleneck, [1, 2, 1, 2])):
        torch.manual_seed(5)
        made.append((build(), torch.rand(1).item()))
    (ours, our_next), (theirs, their_next) = made
    assert our_next == their_next, "what is drawn afterwards is another number"
    return ours, theirs


def test_names_and_random_weights(pair: tuple[Stack, resnet.ResNet]) -> None:
    ours, theirs = (network.state_dict() for network in pair)
    assert list(ours) == [name for name in theirs if not name.startswith("fc.")]
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_answers_and_gradients_in_training(pair: tuple[Stack, resnet.ResNet]) -> None:
    images = torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    answers, gradients = [], []
    for network in pair:
        x = images
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            x = network.train().get_submodule(name)(x)
        x.square().sum().backward()
        answers.append(x)
        gradients.append({name: each.grad for name, each in network.named_parameters() if each.grad is not None})
    assert torch.equal(*answers)
    ours, theirs = gradients
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert torch.equal(pair[0].bn1.running_var, pair[1].bn1.running_var)


def test_the_way_around_is_there_where_the_shape_changes() -> None:
    assert isinstance(Bottleneck(64, 64).downsample, nn.Sequential)
    assert isinstance(Bottleneck(256, 64, 2).downsample, nn.Sequential)
    assert Bottleneck(256, 64).downsample is None


def test_a_detector_with_it_imports_neither_torchvision_nor_torchs_compiler() -> None:
    code = (
        "import sys; from pipeline.models.detectors import DETECTORS; DETECTORS.find('retinaface_resnet50').build();"
        "print({'torchvision', 'torch._dynamo'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
