"""This process among those that train together: rank, device, and what they exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

Network = TypeVar("Network", bound=nn.Module)

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a training; alone, every exchange returns its own value.

    Attributes:
        rank: 0 .. processes - 1.
        processes: how many there are.
        device: that this one computes on.
    """

    rank: int = 0
    processes: int = 1
    device: torch.device = _CPU

    @classmethod
    def current(cls, accelerated: bool = False) -> Process:
        """Returns this process of torch's default process group, or the only one where there is no group.

        Args:
            accelerated: it has a GPU of its own, torch's current one; several processes of a machine see all of its
                GPUs, and the code that starts them chooses.
        """
        device = torch.device("cuda", torch.cuda.current_device()) if accelerated else _CPU
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls(device=device)
        return cls(distributed.get_rank(), distributed.get_world_size(), device)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes checkpoints and logs."""
        return self.rank == 0

    def all_reduce(self, values: Tensor) -> Tensor:
        """Returns the sum of `values` over all processes, on the device and in the type they have."""
        if self.processes == 1:
            return values
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    def all_gather(self, value: Any) -> list[Any]:
        """Returns every process's `value`, by rank, in all of them; it must pickle."""
        values: list[Any] = [value] * self.processes
        if self.processes > 1:
            distributed.all_gather_object(values, value)
        return values

    def broadcast_object(self, value: Any) -> Any:
        """Returns the main process's `value` in all of them; it must pickle."""
        box = [value]
        if self.processes > 1:
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def broadcast_parameters(self, network: Network) -> Network:
        """Returns the network with weights and norms' statistics of the main process, in place."""
        if self.processes > 1:
            for value in network.state_dict().values():
                distributed.broadcast(value, src=0)
        return network

    def wrap_ddp(self, network: nn.Module) -> Callable[..., Any]:
        """Returns the network wrapped so that its gradients are the mean over all processes; itself if alone."""
        if self.processes == 1:
            return network
        # Some weights get no gradient in some steps (landmarks of no face, HCAM without a confident anchor).
        ids = [self.device.index] if self.device.type == "cuda" else None
        wrapped: Callable[..., Any] = nn.parallel.DistributedDataParallel(
            network, device_ids=ids, find_unused_parameters=True, gradient_as_bucket_view=True
        )
        return wrapped
