import pytest
import torch

from pipeline.models.blocks import rectifier
from pipeline.models.context import SSH, ContextPrediction, DilatedSSH


def test_shape_and_sign() -> None:
    out = SSH(6, 8, activation=rectifier(0.1)).eval()(torch.randn(2, 6, 5, 7))
    assert out.shape == (2, 8, 5, 7)
    assert out.min() == 0  # plain ReLU at the end, also with a negative slope inside


def test_branches_see_three_five_and_seven_cells() -> None:
    module = SSH(1, 8, activation=rectifier()).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(0.1 if name.endswith("weight") else 0.01)
    image = torch.zeros(1, 1, 15, 15)
    image[..., 7, 7] = 1000
    with torch.no_grad():
        reached = (module(image) - module(torch.zeros_like(image))).abs()[0, :, 7] > 1e-6
    assert reached.sum(1).tolist() == [3] * 4 + [5] * 2 + [7] * 2


def test_channels_must_divide_by_four() -> None:
    with pytest.raises(ValueError, match="got 6"):
        SSH(4, 6, activation=rectifier())


@pytest.mark.parametrize(
    ("build", "outputs", "reaches"), [(DilatedSSH, 16, (1, 3, 5)), (ContextPrediction, 8, (2, 3, 4))]
)
def test_published_blocks_see_as_far_as_they_say(build: type, outputs: int, reaches: tuple[int, ...]) -> None:
    module = build(8).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(0.1 if name.endswith("weight") else 0.01)
    image = torch.zeros(1, 8, 15, 15)
    image[..., 7, 7] = 1000
    with torch.no_grad():
        out = module(image)
        moved = (out - module(torch.zeros_like(image))).abs()[0, :, 7] > 1e-6
    assert out.shape == (1, outputs, 15, 15)
    assert out.shape[1] == module.outputs
    assert module.reach == max(reaches)
    columns = [(row.nonzero().flatten() - 7).abs().max().item() for row in moved]
    half, quarter = outputs // 2, outputs // 4
    assert columns == [reaches[0]] * half + [reaches[1]] * quarter + [reaches[2]] * quarter
