from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pipeline.models.rankers.box_branch import BoxBranch, Kernel

SIZES = ((12, 9), (6, 5), (3, 2))


@pytest.mark.parametrize(("kernel", "parameters"), [((3, 5), 493_056), ((5, 3), 493_056)])
def test_size(kernel: Kernel, parameters: int) -> None:
    branch = BoxBranch(kernel=kernel)
    assert sum(parameter.numel() for parameter in branch.parameters()) == parameters
    assert [tuple(conv.weight.shape[:2]) for conv in branch.convs] == [(64, 1), *[(64, 64)] * 8]


def test_every_layer_but_the_first_adds_its_input() -> None:
    branch, tables = BoxBranch(4).double(), torch.randn(2, 11, 5, dtype=torch.float64)
    h = functional.leaky_relu(branch.convs[0](tables[:, None]), 0.01)
    for conv in branch.convs[1:3]:
        h = h + functional.leaky_relu(conv(h), 0.01)
    assert torch.equal(branch.whole(tables)[0], h)
    assert [tuple(each.shape) for each in branch.whole(tables)] == [(2, 4, 11, 5)] * 3


@pytest.mark.parametrize("kernel", [(3, 5), (5, 3)])
@pytest.mark.parametrize("rows", [200, 40, 7])
def test_only_the_rows_that_are_read_give_the_numbers_of_all(kernel: Kernel, rows: int) -> None:
    """Numbers and gradients of the whole map, resized by the rule written out, in float64."""
    torch.manual_seed(0)
    branch, tables = BoxBranch(4, kernel=kernel).double(), torch.randn(2, rows, 5, dtype=torch.float64)
    few, many = tables.clone().requires_grad_(), tables.clone().requires_grad_()
    found, loss = branch.nearest(few, SIZES), 0.0
    weights = [torch.randn_like(each) for each in found]
    for each, level, (height, width), weight in zip(found, branch.whole(many), SIZES, weights, strict=True):
        picked = level[:, :, [r * rows // height for r in range(height)]][..., [c * 5 // width for c in range(width)]]
        torch.testing.assert_close(each, picked, rtol=1e-12, atol=1e-12)
        loss = loss + (picked * weight).sum() - (each * weight).sum()
    loss.backward()
    assert float(few.grad.abs().max()) > 1e-3
    torch.testing.assert_close(-few.grad, many.grad, rtol=1e-9, atol=1e-12)


def test_rows_are_averaged_as_adaptive_pooling_does() -> None:
    torch.manual_seed(1)
    branch, tables = BoxBranch(4).double(), torch.randn(2, 31, 5, dtype=torch.float64)
    for mean, level, (height, width) in zip(branch.average(tables, SIZES), branch.whole(tables), SIZES, strict=True):
        pooled = functional.adaptive_avg_pool2d(level, (height, 5))
        torch.testing.assert_close(mean, pooled[..., [c * 5 // width for c in range(width)]], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("resized", ["nearest", "average"])
def test_computing_twice_instead_of_holding_changes_nothing(resized: str) -> None:
    branch, tables = BoxBranch(4), torch.randn(1, 60, 5)
    gradients = []
    for checkpointed in (False, True):
        branch.zero_grad()
        sum(
            each.square().sum() for each in getattr(branch, resized)(tables, SIZES, checkpointed=checkpointed)
        ).backward()
        gradients.append([parameter.grad.clone() for parameter in branch.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_other_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one of \(3, 5\), \(5, 3\), got \(3, 3\)"):
        BoxBranch(kernel=(3, 3))
