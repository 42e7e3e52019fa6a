"""What processes exchange, alone and in two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.training.loop.distributed import Process
from tests.training.two_processes import in_both


def test_alone_every_exchange_returns_its_own_value() -> None:
    process = Process.current()
    assert (process.rank, process.processes, process.device.type, process.is_main) == (0, 1, "cpu", True)
    values, network = torch.tensor([1.0, 2.0]), nn.Linear(2, 1)
    assert torch.equal(process.all_reduce(values), values)
    assert process.all_gather("a") == ["a"]
    assert process.broadcast_object({"a": 1}) == {"a": 1}
    assert process.wrap_ddp(network) is network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert process.broadcast_parameters(network) is network
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Branches(nn.Module):
    """One of two weights, and a count of what it has seen."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.full((1,), 2.0 + rank)) for _ in range(2)])
        self.register_buffer("seen", torch.full((1,), 5 * rank))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        branch = self.weights[int(values[0] < 0)]
        return (branch * values).sum()


def _exchanged() -> dict[str, Any]:
    process = Process.current()
    values = torch.tensor([1.0, 10.0]) * (1 + process.rank)
    found: dict[str, Any] = {
        "place": (process.rank, process.processes, process.is_main),
        "sum": process.all_reduce(values).tolist(),
        "values": values.tolist(),
        "whole": process.all_reduce(torch.tensor([2**40 + process.rank])).tolist(),
        "gather": process.all_gather(("a", "bb" * (1 + process.rank))),
        "broadcast": process.broadcast_object({"from": process.rank}),
    }
    network = Branches(process.rank)
    joined = process.wrap_ddp(network)
    # The second step uses one weight in the first process and the other in the second; no process waits for the unused.
    for values in (torch.tensor([1.0, 2.0]) * (1 + process.rank), torch.tensor([1.0 - 2 * process.rank])):
        network.zero_grad()
        joined(values).backward()  # type: ignore[attr-defined]
        found.setdefault("slopes", []).append(
            [weight.grad if weight.grad is None else weight.grad.item() for weight in network.weights]
        )
    found["start"] = [float(weight) for weight in network.weights]
    apart = Branches(process.rank)
    found["alike"] = [value.tolist() for value in process.broadcast_parameters(apart).state_dict().values()]
    return found


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    first, second = in_both(_exchanged, tmp_path)
    assert first.pop("place") == (0, 2, True)
    assert second.pop("place") == (1, 2, False)
    assert first.pop("values") == [1, 10]
    assert second.pop("values") == [2, 20]  # their own stay
    assert first == second
    assert first["sum"] == [3, 30]
    assert first["whole"] == [2**41 + 1]
    assert first["gather"] == [("a", "bb"), ("a", "bbbb")]
    assert first["broadcast"] == {"from": 0}
    assert first["start"] == [2, 2]  # the first process's
    assert first["slopes"] == [[(3 + 6) / 2, None], [0.5, -0.5]]  # the mean of both
    assert sorted(first["alike"]) == [[0], [2], [2]]
