from pathlib import Path

import pytest
import torch
from torchvision.models import resnet50

from pipeline.models.backbones.resnet import _HALOS, ResNet
from pipeline.models.chunked_inference import in_blocks
from pipeline.models.init import without_random_weights
from tests.models.reach import columns_seen, only_positive_weights


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
    with pytest.raises(ValueError, match="50, 101, 152, 152-short"):
        ResNet(34)
    with pytest.raises(ValueError, match="rising"):
        ResNet(50, layers=(3, 2))


@pytest.mark.parametrize(("depth", "reach"), [(50, 213), (101, 485), ("152-short", 693), (152, 725)])
def test_no_pixel_beyond_the_reach_is_seen(depth: int | str, reach: int) -> None:
    with without_random_weights():
        body = ResNet(depth, layers=(4,)).eval().double()
    only_positive_weights(body)
    cell = reach // 32 + 1  # the first that has so many pixels on its left
    images = torch.ones(1, 3, 1, 32 * (cell + 1), dtype=torch.float64, requires_grad=True)
    assert 32 * cell - columns_seen(body(images)[0][0, :, 0, cell].sum(), images)[0] == reach == body.reach


def test_pretrained_weights_out_of_reach_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no server there
    with pytest.raises(
        OSError, match=r"ImageNet weights of ResNet-50 cannot be fetched .*TORCH_HOME.*without pretrained"
    ):
        ResNet(50, pretrained=True)
