"""Entropic optimal transport over a sparse set of possible pairs (Cuturi, 2013), in log space."""

from __future__ import annotations

import torch
from torch import Tensor


def transport(
    row: Tensor, column: Tensor, cost: Tensor, supply: Tensor, demand: Tensor, epsilon: float, iterations: int
) -> Tensor:
    """Returns float64 [E], the mass of each edge after a number of Sinkhorn iterations (Cuturi's algorithm 1).

    Columns are scaled first, then rows, so that the rows' sums are exact at the end. Example: two rows with supply 1,
    two columns with demand 1 and costs ((0, 1), (1, 0)) at epsilon 0.1 give ((1, 0), (0, 1)) within 5e-5.

    Args:
        row: int64 [E], source of each edge.
        column: int64 [E], its target.
        cost: float64 [E].
        supply: float64 [R], at least 0.
        demand: float64 [C], at least 0.
        epsilon: weight of the entropy, in units of the cost.
        iterations: at least 1.
    """
    kernel = -cost / epsilon
    log_supply, log_demand = supply.clamp(min=1e-300).log(), demand.clamp(min=1e-300).log()
    from_row, to_column = torch.zeros_like(log_supply), torch.zeros_like(log_demand)
    for _ in range(iterations):
        to_column = log_demand - _log_sum_exp(kernel + from_row[row], column, len(demand))
        from_row = log_supply - _log_sum_exp(kernel + to_column[column], row, len(supply))
    return torch.exp(kernel + from_row[row] + to_column[column])


def _log_sum_exp(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Returns float64 [groups]: the logarithm of the sum of exp(values) of each group; 0 for one without values."""
    peak = values.new_full((groups,), -torch.inf).scatter_reduce_(0, group, values, "amax")
    peak = torch.where(torch.isfinite(peak), peak, 0.0)
    total = values.new_zeros(groups).scatter_add_(0, group, torch.exp(values - peak[group]))
    return torch.where(total > 0, total.log() + peak, 0.0)
