"""Transport over edges against the whole table, and against what must come out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.training.assigners.sinkhorn import transport


def test_worked_example() -> None:
    row, column = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    one = torch.ones(2, dtype=torch.float64)
    plan = transport(row, column, torch.tensor([0.0, 1, 1, 0]).double(), one, one, 0.1, 50)
    lost = 1 / (1 + math.exp(10))
    assert plan.tolist() == pytest.approx([1 - lost, lost, lost, 1 - lost], abs=1e-9)


def test_missing_edges_are_infinite_costs() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        cost = rng.random((4, 7))
        cost[:3][rng.random((3, 7)) < 0.4] = np.inf
        supply, demand = np.array([1.0, 1, 2, 3]), np.ones(7)
        row, column = np.nonzero(np.isfinite(cost))
        tensors = [torch.from_numpy(each) for each in (row, column, cost[row, column], supply, demand)]
        got = transport(*tensors, 0.1, 30)
        u = np.ones(4)
        kernel = np.exp(-cost / 0.1)
        for _ in range(30):
            v = demand / (kernel.T @ u)
            u = np.divide(supply, kernel @ v, out=np.zeros(4), where=(kernel @ v) > 0)
        np.testing.assert_allclose(got, (u[:, None] * kernel * v)[row, column], rtol=1e-9)
        sums = np.bincount(row, got, 4)
        np.testing.assert_allclose(sums[sums > 0], supply[sums > 0], rtol=1e-9)
        np.testing.assert_allclose(np.bincount(column, got, 7).sum(), supply[sums > 0].sum(), rtol=1e-9)


def test_large_costs_do_not_overflow() -> None:
    row, column = torch.tensor([0, 1]), torch.tensor([0, 1])
    plan = transport(
        row, column, torch.tensor([1e5, -1e5]).double(), torch.ones(2).double(), torch.ones(2).double(), 0.1, 5
    )
    assert plan.tolist() == pytest.approx([1, 1])
