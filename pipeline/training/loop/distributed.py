"""One of the processes that train together: its place among them, its device, and what they exchange."""

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
    """A process of a training.

    Attributes:
        rank: 0 .. processes - 1; the first one writes checkpoints and logs.
        processes: how many there are.
        device: that this one computes on.
    """

    rank: int = 0
    processes: int = 1
    device: torch.device = _CPU

    @classmethod
    def here(cls, accelerated: bool = False) -> Process:
        """Returns this process's place in torch's default process group, or the only place where there is none.

        Args:
            accelerated: it has a GPU of its own, torch's current one; several processes of a machine see all of its
                GPUs, and whoever starts them chooses.
        """
        device = torch.device("cuda", torch.cuda.current_device()) if accelerated else _CPU
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls(device=device)
        return cls(distributed.get_rank(), distributed.get_world_size(), device)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Returns the sum of `values` over all processes, on the device and in the type they have."""
        if self.processes == 1:
            return values
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        """Returns every process's `value`, by rank, to all of them; it must pickle."""
        if self.processes == 1:
            return [value]
        values: list[Any] = [None] * self.processes
        distributed.all_gather_object(values, value)
        return values

    def tell(self, value: Any) -> Any:
        """Returns the first process's `value` to all of them; it must pickle."""
        if self.processes == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def alike(self, network: Network) -> Network:
        """Returns the network, its weights and norms' statistics made those of the first process, in place."""
        if self.processes > 1:
            for value in network.state_dict().values():
                distributed.broadcast(value, src=0)
        return network

    def joined(self, network: nn.Module) -> Callable[..., Any]:
        """Returns the network wrapped so that its gradients are the mean over all processes; itself if alone."""
        if self.processes == 1:
            return network
        # Some weights get no gradient in some steps (landmarks of no face, HCAM without a confident anchor).
        ids = [self.device.index] if self.device.type == "cuda" else None
        wrapped: Callable[..., Any] = nn.parallel.DistributedDataParallel(
            network, device_ids=ids, find_unused_parameters=True, gradient_as_bucket_view=True
        )
        return wrapped
