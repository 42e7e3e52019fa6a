import pytest
import torch
from torchvision.models import resnet50

from pipeline.models.backbones.resnet import _HALOS, ResNet
from pipeline.models.blockwise import in_blocks


@pytest.fixture(scope="module")
def body() -> ResNet:
    torch.manual_seed(0)
    return ResNet(50).eval()


def test_levels(body: ResNet) -> None:
    assert body.channels == (512, 1024, 2048)
    with torch.inference_mode():
        shapes = [tuple(level.shape) for level in body(torch.zeros(1, 3, 33, 70))]
    assert shapes == [(1, 512, 5, 9), (1, 1024, 3, 5), (1, 2048, 2, 3)]


def test_equals_torchvision_with_the_same_weights(body: ResNet) -> None:
    theirs = resnet50(weights=None).eval()
    missing, unexpected = theirs.load_state_dict(body.state_dict(), strict=False)
    assert set(missing) == {"fc.weight", "fc.bias"}
    assert unexpected == []
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        pooled = body(images)[-1].mean((2, 3))
        assert torch.allclose(theirs.fc(pooled), theirs(images), atol=1e-5)


@pytest.mark.parametrize("layer", [1, 2])
def test_blocks_equal_the_whole(body: ResNet, layer: int) -> None:
    images = torch.randn(1, 3, 70, 260)
    with torch.inference_mode():
        whole = body._up_to(layer, images)
        stride = 4 * layer
        blocks = in_blocks(lambda part: body._up_to(layer, part), images, stride=stride, halo=_HALOS[layer], block=64)
    assert torch.allclose(blocks, whole, rtol=1e-4, atol=1e-5 * float(whole.abs().max()))


def test_other_layers_and_wrong_ones() -> None:
    assert ResNet(50, layers=(1, 4)).strides == (4, 32)
    with pytest.raises(ValueError, match="depth 51"):
        ResNet(51)
    with pytest.raises(ValueError, match="rising"):
        ResNet(50, layers=(3, 2))
