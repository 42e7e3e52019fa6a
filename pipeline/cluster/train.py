"""A worker group as a Ray Train run: processes of one torch process group, restarted when one dies, fed by Ray Data.

The function writes its checkpoints into the store itself: Ray Train adds placement, the process group and supervision,
and its own storage holds nothing but its bookkeeping.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline.cluster.ray_loader import prefetch_of
from pipeline.engine.runner import NodeFailed
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from pipeline.engine.worker_group import RESTARTS, Prefetch, WorkersStopped


def train_together(
    function: Callable[[Prefetch], Any], *, resources: Resources, store: Store, folder: str, ephemeral: bool
) -> Any:
    """Returns function(prefetch) of rank 0 of `resources.workers` processes; see `WorkerGroup`.

    Args:
        function: of every process; must pickle.
        resources: processes, and CPUs, GPUs and loaders of each.
        store: shared by all machines.
        folder: in it, for Ray Train's bookkeeping.
        ephemeral: the cluster ends with this run, so that nothing need clean up after it.

    Raises:
        WorkersStopped: with the function's own message.
        NodeFailed: the processes died too often, with the last reason.
    """
    # Its workers would change into a folder of their own, where no relative path of a config holds.
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    if ephemeral:  # a cluster of one machine: no machine is taken away, and its statistics have no reader
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        os.environ.setdefault("RAY_TRAIN_METRICS_ENABLED", "0")
    from ray.exceptions import RayActorError
    from ray.train.v2.api.exceptions import TrainingFailedError

    try:
        for left in reversed(range(RESTARTS + 1)):
            try:
                result = _trainer(function, resources, store, folder, ephemeral).fit()
                break
            except (TrainingFailedError, RayActorError) as error:
                if not left or not _is_death_of_supervision(error):
                    raise NodeFailed(_last_line(error)) from error
        outcome, value = result.return_value
    finally:
        store.delete_folder(folder)
    if outcome == "stopped":
        raise WorkersStopped(value)
    return value


def _trainer(
    function: Callable[[Prefetch], Any], resources: Resources, store: Store, folder: str, ephemeral: bool
) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    each = {"CPU": resources.reserved_cpus, "GPU": resources.gpus, "memory": resources.memory_gb * 2**30}
    each = {name: amount for name, amount in each.items() if amount or name == "CPU"}
    return _trainer_class(ephemeral)(
        partial(_process, function, resources.loaders, resources.gpus > 0, ephemeral),
        # Objects in the host's memory (names, counts, decisions) travel without the GPU, which is busy.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if resources.gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=resources.workers, use_gpu=resources.gpus > 0, resources_per_worker=each
        ),
        run_config=RunConfig(
            name=uuid.uuid4().hex,  # never one that Ray Train would take for its own earlier run
            storage_path=store.path(folder),
            storage_filesystem=store.filesystem,
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )


def _is_death_of_supervision(error: BaseException) -> bool:
    """Returns whether a training ended in a way that Ray Train does not begin again after, though nothing is wrong.

    It restarts processes that died while they train. A death while they start, as when a machine is lost, is an error
    of its controller, which it gives up on; and the controller is a process that may die.
    """
    from ray.exceptions import RayActorError, RayError

    return isinstance(error, RayActorError) or isinstance(getattr(error, "controller_failure", None), RayError)


def _trainer_class(ephemeral: bool) -> type[Any]:
    """Returns TorchTrainer without the actors that nothing here needs; each is a process that imports Ray and torch.

    Data come through `ray_loader`. In an ephemeral cluster the actor that frees resources after a controller's death
    asks the dashboard, which a local cluster does not have: every training would end by waiting twelve seconds for it.

    Its controller, a process of 700 MB, ends with the training. Without its last handle it ends as well, but Ray lets
    it take up to half a minute, and its handler of interrupts would hold one.
    """
    import ray
    from ray.train.torch import TorchTrainer

    left_out = {"DatasetsCallback", *(["PlacementGroupCleanerCallback"] if ephemeral else [])}

    class Lean(TorchTrainer):  # type: ignore[misc]
        _controller: Any = None

        def fit(self) -> Any:
            try:
                return super().fit()
            finally:
                if self._controller is not None:
                    ray.kill(self._controller)

        def _register_sigint_handler(self, controller: Any) -> None:
            self._controller = controller  # interrupts end the whole stage, by its driver

        def _create_default_callbacks(self) -> list[Any]:
            callbacks = super()._create_default_callbacks()
            return [each for each in callbacks if type(each).__name__ not in left_out]

    trainer: type[Any] = Lean if hasattr(TorchTrainer, "_create_default_callbacks") else TorchTrainer
    return trainer


def _process(function: Callable[[Prefetch], Any], loaders: int, accelerated: bool, ephemeral: bool) -> tuple[str, Any]:
    """Runs in every process of the group."""
    prefetch = prefetch_of(loaders, ephemeral)
    if accelerated:
        import torch
        from ray.train.torch import get_device

        # Processes of one machine see each other's GPUs; this one's own becomes the current one of this thread.
        torch.cuda.set_device(get_device())
    try:
        return "done", function(prefetch)
    except WorkersStopped as stopped:
        return "stopped", str(stopped)  # raised, it would count as a failure and be tried again


def _last_line(error: BaseException) -> str:
    failures: dict[int, BaseException] = getattr(error, "worker_failures", {})
    for rank, failure in sorted(failures.items()):
        lines = str(failure).strip().splitlines()
        return f"process {rank}: {lines[-1] if lines else type(failure).__name__}"
    return str(error).strip().splitlines()[-1].strip()
