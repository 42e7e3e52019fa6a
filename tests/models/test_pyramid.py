import torch

from pipeline.models.blocks import rectifier
from pipeline.models.pyramid import FeaturePyramid


def test_shapes_of_odd_levels() -> None:
    pyramid = FeaturePyramid((3, 5, 7), 4, activation=rectifier())
    levels = [torch.randn(2, 3, 13, 9), torch.randn(2, 5, 7, 5), torch.randn(2, 7, 4, 3)]
    assert [tuple(level.shape) for level in pyramid(levels)] == [(2, 4, 13, 9), (2, 4, 7, 5), (2, 4, 4, 3)]


def test_knowledge_flows_down_only() -> None:
    pyramid = FeaturePyramid((3, 5), 4, activation=rectifier(0.1)).eval()
    fine, coarse = torch.randn(1, 3, 8, 8), torch.randn(1, 5, 4, 4)
    with torch.no_grad():
        before = pyramid([fine, coarse])
        other_fine = pyramid([fine + 1, coarse])
        other_coarse = pyramid([fine, coarse + 1])
    assert torch.equal(before[1], other_fine[1])
    assert not torch.allclose(before[0], other_fine[0])
    assert not torch.allclose(before[0], other_coarse[0])


def test_gradients_are_those_of_the_out_of_place_sum() -> None:
    pyramid = FeaturePyramid((3, 5), 4, activation=rectifier(0.1)).eval()
    fine = torch.randn(1, 3, 4, 4, requires_grad=True)
    coarse = torch.randn(1, 5, 2, 2, requires_grad=True)
    pyramid([fine, coarse])[0].sum().backward()
    assert fine.grad.abs().sum() > 0
    assert coarse.grad.abs().sum() > 0
    with torch.no_grad():
        quiet = pyramid([fine, coarse])
    for one, other in zip(quiet, pyramid([fine, coarse]), strict=True):
        assert torch.allclose(one, other)
