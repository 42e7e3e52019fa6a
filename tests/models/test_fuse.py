import pytest
import torch
from torch import nn

from pipeline.models.detectors.detector import Detector
from pipeline.models.detectors.retinaface import retinaface_mobilenet, retinaface_resnet50
from pipeline.models.fuse import for_inference
from pipeline.models.heads import JointHeads


@pytest.mark.parametrize("build", [retinaface_mobilenet, retinaface_resnet50])
def test_same_answers_fewer_layers(build: type[Detector]) -> None:
    torch.manual_seed(4)
    detector = build()
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that do something
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    detector.double().eval()
    images = torch.randn(2, 3, 70, 45, dtype=torch.float64)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    fast = for_inference(detector)
    expected, found = detector(images), fast(images)
    for part in ("boxes", "logits", "landmarks"):
        one, other = getattr(expected, part), getattr(found, part)
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9 * float(one.detach().abs().max()))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert isinstance(fast.heads, JointHeads)
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())
