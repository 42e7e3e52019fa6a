import pytest
import torch
from torch import Tensor, nn

from pipeline.models.chunked_inference import in_blocks


def _layers() -> nn.Module:
    torch.manual_seed(2)
    # Radius: 1 + 2 * 1 + 2 * 1 = 5 pixels, so a halo of 8 at stride 4 is the smallest that holds.
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 3, stride=2, padding=1)
    ).double()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 47), (33, 130), (16, 129)])
def test_equals_the_whole_at_every_edge(height: int, width: int) -> None:
    layers, images = _layers(), torch.randn(2, 2, height, width, dtype=torch.float64)
    with torch.no_grad():
        whole = layers(images)
        blocks = in_blocks(layers, images, stride=4, halo=8, block=16)
    assert blocks.shape == whole.shape
    assert torch.allclose(blocks, whole, rtol=0, atol=1e-12)


def test_too_small_a_halo_is_seen() -> None:
    layers, images = _layers(), torch.randn(1, 2, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert not torch.allclose(in_blocks(layers, images, stride=4, halo=4, block=16), layers(images), atol=1e-6)


def test_small_images_and_training_run_in_one_go() -> None:
    calls: list[tuple[int, ...]] = []

    def layers(images: Tensor) -> Tensor:
        calls.append(tuple(images.shape))
        return images[..., ::4, ::4]

    in_blocks(layers, torch.zeros(1, 2, 64, 64), stride=4, halo=8, block=16)
    with torch.no_grad():
        in_blocks(layers, torch.zeros(1, 2, 16, 32), stride=4, halo=8, block=16)
    assert calls == [(1, 2, 64, 64), (1, 2, 16, 32)]
