"""Running mean of the weights (EMA), which often detects better than the last weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightEma:
    """mean <- d mean + (1 - d) weights, after every step, of all floating-point entries of the state.

    d is `decay`, in the first steps min(decay, (1 + n) / (10 + n)) after n of them, so that short trainings do not keep
    their random start. Norms' statistics are averaged in the same way; counters are copied.

    Not `torch.optim.swa_utils.AveragedModel` (torch 2.15): it copies its counter to the device in every update and
    tests it, so that a step would wait for the device, and it averages counters as if they were weights.

    Example: decay 0.9, from the 81st step on w_n = 0.9 w_(n-1) + 0.1 x_n.

    Attributes:
        decay: d after the first steps.
        updates: n.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Starts at the model's weights, copied on their device.

        Raises:
            ValueError: the decay is not in [0, 1).
        """
        if not 0 <= decay < 1:
            raise ValueError(f"the decay is {decay}, expected [0, 1)")
        self.decay, self.updates = decay, 0
        self._mean = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Adds the model's present weights to the mean."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        now = model.state_dict()
        moving = [name for name, mean in self._mean.items() if mean.is_floating_point()]
        # All at once: a kernel for each of some hundred tensors takes a GPU longer to start than to run.
        torch._foreach_lerp_([self._mean[name] for name in moving], [now[name] for name in moving], 1 - decay)
        if counting := self._mean.keys() - set(moving):
            torch._foreach_copy_([self._mean[name] for name in counting], [now[name] for name in counting])

    def copy_to(self, model: nn.Module) -> None:
        """Overwrites the model's weights with the mean."""
        model.load_state_dict(self._mean)

    def state_dict(self) -> dict[str, Tensor | int]:
        """Returns the mean by the names of the weights, and "updates"; shared, not to be written into."""
        return {**self._mean, "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Tensor | int]) -> None:
        """Goes on from what `state_dict` gave.

        Raises:
            ValueError: names differ from those of this model.
        """
        if state.keys() != self._mean.keys() | {"updates"}:
            raise ValueError("the average belongs to another architecture: its tensors have other names")
        for name, mean in self._mean.items():
            mean.copy_(torch.as_tensor(state[name]))
        self.updates = int(state["updates"])
