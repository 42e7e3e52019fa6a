import pytest
import torch

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.blocks import rectifier
from tests.models.reach import columns_seen, only_positive_weights


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


def test_a_fourth_level_needs_no_weight_and_changes_none_of_the_others() -> None:
    three, four = (MobileNetV1(0.25, activation=rectifier(0.1), finest=finest) for finest in (8, 4))
    four.load_state_dict(three.state_dict())
    assert (four.channels, four.strides) == ((32, 64, 128, 256), (4, 8, 16, 32))
    images = torch.randn(2, 3, 201, 253, generator=torch.Generator().manual_seed(0))
    levels = four(images)
    assert [tuple(level.shape) for level in levels][:2] == [(2, 32, 51, 64), (2, 64, 26, 32)]
    assert all(torch.equal(one, other) for one, other in zip(three(images), levels[1:], strict=True))


def test_there_is_no_level_at_stride_2() -> None:
    with pytest.raises(ValueError, match="start at stride 4 or 8, not 2"):
        MobileNetV1(0.25, activation=rectifier(), finest=2)


def test_no_pixel_beyond_the_reach_is_seen() -> None:
    body = MobileNetV1(0.25, activation=rectifier()).eval().double()
    only_positive_weights(body)
    images = torch.ones(1, 3, 1, 512, dtype=torch.float64, requires_grad=True)
    assert 8 * 32 - columns_seen(body(images)[-1][0, :, 0, 8].sum(), images)[0] == 157 == body.reach


@pytest.mark.parametrize("finest", [4, 8])
def test_blocks_equal_the_whole_on_a_large_image(finest: int) -> None:
    torch.manual_seed(3)
    body = MobileNetV1(0.25, activation=rectifier(0.1), finest=finest).eval()
    images = torch.randn(1, 3, 515, 1037)
    whole = body(images)  # gradients are on: in one go
    with torch.inference_mode():
        blocks = body(images)
    assert blocks[0].is_contiguous(memory_format=torch.channels_last)  # it went the other way
    for one, other in zip(whole, blocks, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-6 * float(one.detach().abs().max()))
