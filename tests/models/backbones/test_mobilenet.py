import torch

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.blocks import rectifier


def test_levels_at_a_quarter_of_the_width() -> None:
    body = MobileNetV1(0.25, activation=rectifier(0.1)).eval()
    assert body.channels == (64, 128, 256)
    shapes = [tuple(level.shape) for level in body(torch.zeros(2, 3, 201, 253))]
    assert shapes == [(2, 64, 26, 32), (2, 128, 13, 16), (2, 256, 7, 8)]


def test_the_multiplier_multiplies_every_level() -> None:
    assert MobileNetV1(0.5, activation=rectifier()).channels == (128, 256, 512)


def test_known_number_of_parameters() -> None:
    # MobileNet V1 at width 0.25 without its classifier of 256 x 1000 + 1000.
    body = MobileNetV1(0.25, activation=rectifier())
    assert sum(parameter.numel() for parameter in body.parameters()) == 470_072 - 257_000


def test_blocks_equal_the_whole_on_a_large_image() -> None:
    torch.manual_seed(3)
    body = MobileNetV1(0.25, activation=rectifier(0.1)).eval()
    images = torch.randn(1, 3, 515, 1037)
    whole = body(images)  # gradients are on: in one go
    with torch.inference_mode():
        blocks = body(images)
    assert blocks[0].is_contiguous(memory_format=torch.channels_last)  # it went the other way
    for one, other in zip(whole, blocks, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-6 * float(one.detach().abs().max()))
