from pathlib import Path

import pytest
import torch

from pipeline.models.backbones.hrnet import HRNet
from pipeline.models.init import without_weights


@pytest.fixture(scope="module")
def body() -> HRNet:
    torch.manual_seed(0)
    return HRNet(18).eval()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 70), (100, 130)])
def test_branches_of_any_size(body: HRNet, height: int, width: int) -> None:
    with torch.inference_mode():
        shapes = [tuple(level.shape) for level in body(torch.zeros(1, 3, height, width))]
    assert shapes == [(1, 18 * 2**i, -(-height // s), -(-width // s)) for i, s in enumerate(body.strides)]


def test_padding_is_zeros_at_the_right_and_the_bottom(body: HRNet) -> None:
    images = torch.randn(1, 3, 40, 50)
    padded = torch.zeros(1, 3, 64, 64)
    padded[..., :40, :50] = images
    with torch.inference_mode():
        for one, other in zip(body(images), body(padded), strict=True):
            assert torch.allclose(one, other[..., : one.shape[2], : one.shape[3]], rtol=1e-4)


@pytest.mark.parametrize(("width", "parameters"), [(18, 9.6), (48, 65.3)])
def test_known_sizes(width: int, parameters: float) -> None:
    with without_weights():
        body = HRNet(width)
    assert body.channels == (width, 2 * width, 4 * width, 8 * width)
    assert sum(parameter.numel() for parameter in body.parameters()) / 1e6 == pytest.approx(parameters, abs=0.1)


def test_widths_are_listed() -> None:
    with pytest.raises(ValueError, match="no HRNet of width 40; there are 18, 32, 48"):
        HRNet(40)


def test_pretrained_weights_out_of_reach_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match=r"hrnet_w18.ms_in1k cannot be fetched .*without pretrained"):
        HRNet(18, pretrained=True)
