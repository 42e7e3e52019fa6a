"""The running mean against its closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.loop.ema import WeightEma


def model(value: float = 0.0) -> nn.Module:
    found = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3))
    with torch.no_grad():
        found[0].weight.fill_(value)
        found[1].running_mean.fill_(2 * value)  # type: ignore[union-attr,operator]
    return found


def test_closed_form() -> None:
    """mean_n = sum_i (1 - d_i) x_i prod_(j > i) d_j + x_0 prod d_j, with d_i = min(d, i / (9 + i)), i from 1."""
    values = np.random.default_rng(0).normal(size=200)
    changing = model(values[0])
    average = WeightEma(changing, 0.9)
    for value in values[1:]:
        changing.load_state_dict(model(value).state_dict())
        average.update(changing)
    decays = np.minimum(0.9, np.arange(1, 200) / np.arange(10, 209))
    assert decays[80] == 0.9 > decays[79]  # the 81st update is the first with the full decay
    behind = np.append(np.cumprod(decays[::-1])[::-1], 1.0)
    wanted = values[0] * behind[0] + ((1 - decays) * values[1:] * behind[1:]).sum()
    average.copy_to(changing)
    torch.testing.assert_close(changing[0].weight, torch.full((3, 2), wanted, dtype=torch.float32))  # type: ignore[index]
    torch.testing.assert_close(changing[1].running_mean, torch.full((3,), 2 * wanted, dtype=torch.float32))  # type: ignore[index]
    assert average.updates == 199


def test_no_decay_is_the_last_weights_and_counters_are_copied() -> None:
    changing = model(1.0)
    average = WeightEma(changing, 0.0)
    changing[1].num_batches_tracked.fill_(7)  # type: ignore[index,union-attr,operator]
    changing[0].weight.data.fill_(5.0)  # type: ignore[index,union-attr,operator]
    average.update(changing)
    other = model()
    average.copy_to(other)
    assert other[0].weight.unique().item() == 5.0  # type: ignore[index]
    assert other[1].num_batches_tracked.item() == 7  # type: ignore[index]


def test_it_goes_on_from_its_state() -> None:
    one, values = WeightEma(model(1.0), 0.9), [2.0, 3.0, 4.0]
    for value in values[:2]:
        one.update(model(value))
    state = {name: torch.as_tensor(value).clone() for name, value in one.state_dict().items()}
    other = WeightEma(model(), 0.9)
    other.load_state_dict(state)
    for each in (one, other):
        each.update(model(values[2]))
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(torch.as_tensor(first[name]), torch.as_tensor(second[name])) for name in first)


def test_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="decay is 1"):
        WeightEma(model(), 1)
    with pytest.raises(ValueError, match="another architecture"):
        WeightEma(model(), 0.9).load_state_dict(WeightEma(nn.Linear(2, 2), 0.9).state_dict())
