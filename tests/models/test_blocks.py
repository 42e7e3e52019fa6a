import pytest
import torch
from torch import nn

from pipeline.models.blocks import ConvUnit, SeparableUnit, rectifier


def test_rectifiers() -> None:
    values = torch.tensor([-2.0, 3.0])
    assert rectifier()()(values.clone()).tolist() == [0, 3]
    assert rectifier(0.1)()(values.clone()).tolist() == pytest.approx([-0.2, 3])


@pytest.mark.parametrize("side", [1, 2, 7, 8])
@pytest.mark.parametrize("kernel", [1, 3])
def test_stride_two_halves_rounding_up(side: int, kernel: int) -> None:
    assert ConvUnit(3, 5, kernel, stride=2)(torch.zeros(2, 3, side, 9)).shape == (2, 5, -(-side // 2), 5)


def test_order_is_convolution_norm_activation() -> None:
    unit = ConvUnit(1, 1, 1, activation=nn.ReLU).eval()
    with torch.no_grad():
        unit.conv.weight.fill_(2)
        unit.norm.running_mean.fill_(5)
        unit.norm.weight.fill_(3)
        unit.norm.bias.fill_(1)
    out = unit(torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 2)).flatten().tolist()
    assert out == pytest.approx([0, 3 * (8 - 5) + 1], rel=1e-4)
    assert unit.conv.bias is None


def test_separable_unit_mixes_channels_only_in_its_second_part() -> None:
    unit = SeparableUnit(4, 6, stride=2, activation=rectifier())
    assert unit.depthwise.conv.weight.shape == (4, 1, 3, 3)
    assert unit.pointwise.conv.weight.shape == (6, 4, 1, 1)
    assert unit(torch.zeros(1, 4, 5, 5)).shape == (1, 6, 3, 3)


def test_a_bias_before_the_norm_is_there_on_request() -> None:
    unit = ConvUnit(2, 3, bias=True)
    assert unit.conv.bias.shape == (3,)
