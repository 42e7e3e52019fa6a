from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.fuse import for_inference
from pipeline.models.heads import JointHeads
from tests.models.test_network_copy import Odd

CASES = [
    ("retinaface_mobilenet", {}),
    ("retinaface_resnet50", {}),
    ("hambox_resnet50", {"head": "cpm", "shared_heads": True}),
    ("hrnet_w18", {}),
    ("mogface_mobilenet", {"pyramid_anchor": True}),
]


@pytest.mark.parametrize(("name", "model_args"), CASES, ids=[name for name, _ in CASES])
def test_same_answers_fewer_layers(name: str, model_args: dict[str, object]) -> None:
    torch.manual_seed(4)
    detector = DETECTORS[name].build(**model_args)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that do something
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 2, 4)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    detector.double().eval().all_heads = True
    images = torch.randn(2, 3, 70, 45, dtype=torch.float64)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    fast = for_inference(detector)
    with torch.inference_mode():
        expected, found = detector(images), fast(images)
    for part in (each.name for each in fields(expected)):
        one, other = getattr(expected, part), getattr(found, part)
        assert (one is None) == (other is None)
        if isinstance(one, Tensor):
            assert torch.allclose(one, other, rtol=1e-8, atol=1e-8 * float(one.abs().max()))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert any(isinstance(module, JointHeads) for module in fast.modules())
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())


def test_the_copy_of_odd_modules_shares_nothing() -> None:
    torch.manual_seed(0)
    network, images = Odd().eval(), torch.randn(1, 3, 5, 5)
    fast = for_inference(network)
    assert torch.allclose(fast(images), network(images), atol=1e-6)
    assert fast.again is fast.first and fast.listed[0] is fast.shared and fast.shared is not network.shared
    assert fast.tied.weight is fast.shared.weight
    assert network.shared.weight.requires_grad
    theirs = {value.data_ptr() for value in (*network.parameters(), *network.buffers())}
    assert theirs.isdisjoint(value.data_ptr() for value in (*fast.parameters(), *fast.buffers()))
