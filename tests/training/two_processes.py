"""Two processes that train together, as a cluster would start them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch


def in_both(function: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """Returns function(*arguments) of two new processes in one gloo group, by rank.

    Args:
        function: at the top of a module, so that it can be found there.
        folder: empty; where the two meet.
        arguments: must pickle, as what comes back must.
    """
    # What both need is imported once, in a process that each is a fork of: torch and its compiler take 3 s of a core.
    multiprocessing.get_context("forkserver").set_forkserver_preload(["torch._inductor", function.__module__])
    given = (str(folder), function, arguments)
    torch.multiprocessing.start_processes(_process, given, nprocs=2, start_method="forkserver")
    return [pickle.loads((folder / f"answer {rank}").read_bytes()) for rank in (0, 1)]


def _process(rank: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=timedelta(minutes=5)
    )
    try:
        answer = function(*arguments)
    finally:
        torch.distributed.destroy_process_group()
    Path(folder, f"answer {rank}").write_bytes(pickle.dumps(answer))
