"""A whole training in one process or several: first weights, steps, checkpoints, evaluations, final weights.

Every process runs `run` with the same arguments. Whenever it is killed, running it again goes on from the newest
checkpoint and ends with the bytes of an undisturbed run: images and random numbers belong to steps, not to processes
or times.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shards import peak_memory_mb
from pipeline.engine.storage import Store
from pipeline.engine.worker_group import Prefetch, in_threads
from pipeline.models.network_copy import copy_network
from pipeline.training.data.sampler import BatchSampler, Loaded
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.determinism import channels_last, deterministic, set_norms
from pipeline.training.loop.device_prefetch import DevicePrefetch, Staged
from pipeline.training.loop.distributed import Process
from pipeline.training.loop.metrics_log import MetricsLog
from pipeline.training.loop.trainer import PendingStep, Step, Trainer, TrainingError
from pipeline.training.loop.validator import Validator
from pipeline.training.recipes.base import Recipe, Repeatable
from pipeline.training.tasks.task import Task

FINAL, BEST = "final.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and where its state is stored; picklable.

    Attributes:
        task: the network, its recipe and its first weights.
        batches: images of each step.
        store: of checkpoints and log.
        folder: in it, of this recipe alone.
        validator: of held-out images, None for no evaluation.
        threads: that a process computes with.
        accelerated: every process has a GPU.
        overlapped: a step's numbers are read when the next one has been begun, and the next batch is copied to the
            device meanwhile; None where there is a GPU, which then need not wait for the host. The bytes are the same.
        repeatable: see `deterministic`.
        checkpoint_seconds: seconds between two checkpoints.
        bad_share: the training stops if a larger share of the images cannot be read.
    """

    task: Task[Any, Any]
    batches: BatchSampler[Loaded[Any]]
    store: Store
    folder: str
    validator: Validator | None = None
    threads: int = 1
    accelerated: bool = False
    overlapped: bool | None = None
    repeatable: Repeatable = "preferred"
    checkpoint_seconds: float = 120.0
    bad_share: float = 0.01

    @property
    def recipe(self) -> Recipe:
        """Every number that decides the outcome."""
        return self.task.recipe


def run(training: Training, prefetch: Prefetch = in_threads, log: Callable[[str], None] = print) -> None:
    """Trains to the last step; writes ``final.safetensors`` and, with a validator, ``best.safetensors``.

    Args:
        training: the same in every process.
        prefetch: computes batches ahead, see `WorkerGroup`.
        log: gets lines of progress, in the main process only.

    Raises:
        TrainingError: a loss that is not finite, or too many unreadable images, in every process alike.
        ValueError: the recipe does not fit the machine, or the folder's checkpoints are of another architecture.
    """
    torch.set_num_threads(training.threads)
    process = Process.current(training.accelerated)
    model = training.task.build().to(process.device)
    set_norms(model, training.recipe.norms, process.processes)
    accelerated, compiled = process.device.type == "cuda", training.recipe.compiled
    with deterministic(training.repeatable, accelerated=accelerated, compiled=compiled), channels_last(model):
        session = _Session(training, process, model, log)
        try:
            session.steps(prefetch)
        finally:
            session.checkpoints.close()
    if process.is_main:
        training.store.write(f"{training.folder}/{FINAL}", session.weights())


@dataclass(frozen=True, slots=True)
class _Begun:
    pending: PendingStep
    errors: tuple[str, ...]  # of this process's images
    waited: float  # seconds, for the loaders


class _Session:
    def __init__(self, training: Training, process: Process, model: Any, log: Callable[[str], None]) -> None:
        self.training, self.process, self.model, self.log = training, process, model, log
        network = process.wrap_ddp(model)
        if training.recipe.compiled:
            network = torch.compile(network)
        self.trainer = Trainer(training.task, model, network)
        self.checkpoints = Checkpoints(training.store, training.folder)
        self.evaluations: list[dict[str, Any]] = []
        self.bad: dict[str, str] = {}  # image id -> why it cannot be read
        self.best = ""  # hash of the best weights so far
        self.clock = Clock()
        self._resume()
        self.metrics_log = None
        if process.is_main:
            self.metrics_log = MetricsLog(training.store, training.folder, self.trainer.steps_done)

    def _resume(self) -> None:
        found = self.checkpoints.newest()
        if len(set(self.process.all_gather(None if found is None else found[0]))) > 1:
            raise ValueError(f"not every process sees the same checkpoints in {self.training.store.url}: is it shared?")
        if found is not None:
            state = found[1]
            self.trainer.load_state_dict(state["trainer"])
            self.evaluations, self.bad, self.best = list(state["evaluations"]), dict(state["bad"]), state["best"]

    def steps(self, prefetch: Prefetch) -> None:
        """Trains from the present step to the last one."""
        training, process, trainer = self.training, self.process, self.trainer
        start, total, every = trainer.steps_done, training.recipe.steps, training.recipe.eval_every
        share = partial(training.batches, rank=process.rank, processes=process.processes)
        overlapped = training.accelerated if training.overlapped is None else training.overlapped
        loaded = iter(prefetch(share, range(start, total)))
        staging = DevicePrefetch(loaded, self.model.normalisation, process.device, early=overlapped)
        begun: deque[_Begun] = deque()
        self.clock = Clock()
        for step in range(start, total):
            begun.append(self._begin(staging.take(), step))
            staging.prepare()
            last = step + 1 == total
            evaluate = training.validator is not None and (last or (every > 0 and (step + 1) % every == 0))
            # Weights are evaluated or saved only after all steps have been read.
            save = self._read(begun, leave=0 if evaluate or last else int(overlapped)) or last
            if save:
                self._read(begun, leave=0)
            if evaluate:
                self._evaluate(step + 1)
            if save:
                self.clock.saved()
                self._save()

    def weights(self) -> bytes:
        """Returns the final weights as safetensors.

        Raises:
            TrainingError: the best ones are not in the store as they were written.
        """
        training = self.training
        if training.recipe.select == "best" and self.evaluations:
            name = f"{training.folder}/{BEST}"
            weights = training.store.read(name)
            if self.best != hash_bytes(weights):
                raise TrainingError(
                    f"{training.store.path(name)} is damaged: expected the bytes that were written, found others; "
                    f"delete {training.store.path(training.folder)} and run again to train from the start"
                )
            return weights
        return training.task.save(self._evaluated_model())

    def _begin(self, staged: Staged, step: int) -> _Begun:
        training, process = self.training, self.process
        # Random numbers within the network depend on the step and the process alone: no random state to be saved.
        torch.manual_seed((training.recipe.seed * 1_000_003 + step) * 4096 + process.rank)
        # All processes must see at the same step that it is time to save, since they then read what they have begun.
        due = process.is_main and self.clock.due(training.checkpoint_seconds)
        aside = (float(len(staged.pixels.errors)), float(due))
        pending = self.trainer.begin(staged.batch, process.all_reduce, process.processes, aside)
        return _Begun(pending, staged.pixels.errors, staged.waited)

    def _read(self, begun: deque[_Begun], leave: int) -> bool:
        """Reads and logs the oldest steps, all but `leave` of them; returns whether it is time to save."""
        save = False
        while len(begun) > leave:
            each = begun.popleft()
            done = self._done(each)
            if done.aside[0]:
                self._count_bad([error for share in self.process.all_gather(each.errors) for error in share])
            save |= bool(done.aside[1])
            self._log_step(each, done)
        return save

    def _done(self, begun: _Begun) -> Step:
        try:
            return begun.pending.read()
        except TrainingError as error:
            process = self.process
            shares = process.all_gather(begun.pending.image_ids)
            others = [name for rank, share in enumerate(shares) if rank != process.rank for name in share]
            raise TrainingError(f"{error}; other processes had {', '.join(others)}" if others else str(error)) from None

    def _count_bad(self, errors: Sequence[str]) -> None:
        """Remembers images that cannot be read; too many end the training."""
        self.bad.update(error.split(": ", 1) for error in errors)  # type: ignore[misc]
        images = len(self.training.batches.source)
        allowed = max(1.0, self.training.bad_share * images)
        if len(self.bad) > allowed:
            shown = "; ".join(f"{name}: {why}" for name, why in list(self.bad.items())[:3])
            raise TrainingError(
                f"{len(self.bad)} of {images} images cannot be read, allowed are {allowed:.0f}: {shown}; a larger "
                "max_error_share goes on without them"
            )

    def _log_step(self, begun: _Begun, done: Step) -> None:
        # Since the end of the step before, so that evaluations and checkpoints between them are counted too.
        seconds, steps_per_second = self.clock.tick()
        if self.metrics_log is None:
            return
        step, total, batch = begun.pending.number + 1, self.training.recipe.steps, self.training.recipe.batch
        self.metrics_log.add(
            step,
            {
                "loss": done.losses,
                "rate": done.rate,
                "gradient_norm": done.gradient_norm,
                **done.counts,
                "images_per_second": batch / seconds,
                "wait_share": min(1.0, begun.waited / seconds),
                "memory_mb": _memory_mb(self.process.device),
                "bad_images": len(self.bad),
            },
        )
        self.log(f"step {step}/{total} loss {done.losses['total']:.3f} {batch * steps_per_second:.3g} images/s")

    def _evaluate(self, step: int) -> None:
        validator, process = self.training.validator, self.process
        assert validator is not None
        # Norms of kind "own" have other statistics in each process: the main process's are saved.
        model = process.broadcast_parameters(self._evaluated_model())
        shares = process.all_gather(validator(model, process.rank, process.processes))
        metrics = process.broadcast_object(validator.metrics(shares) if process.is_main else None)
        best = max((validator.score(each[validator.name]) for each in self.evaluations), default=-math.inf)
        self.evaluations.append({"step": step, validator.name: metrics})
        if self.metrics_log is not None:
            # JSON has no NaN.
            known = {name: value if value == value else None for name, value in metrics.items()}
            self.metrics_log.add(step, {validator.name: known})
            self.log(f"step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
            if validator.score(metrics) > best:
                weights = self.training.task.save(model)
                self.training.store.write(f"{self.training.folder}/{BEST}", weights)
                self.best = hash_bytes(weights)

    def _save(self) -> None:
        if self.metrics_log is not None:
            step, trainer = self.trainer.steps_done, self.trainer.state_dict()
            state = {"trainer": trainer, "evaluations": self.evaluations, "bad": self.bad, "best": self.best}
            self.checkpoints.save(step, state, before=self.metrics_log.part(step))

    def _evaluated_model(self) -> Any:
        """Returns a copy of the model as it would be saved now, in evaluation mode."""
        model = copy_network(self.model)
        if self.trainer.ema is not None:
            self.trainer.ema.copy_to(model)
        return model.to(memory_format=torch.contiguous_format).eval()


class Clock:
    """Seconds per step, and since the last checkpoint."""

    def __init__(self) -> None:
        """Starts now."""
        self._start = self._tick = self._saved = time.monotonic()
        self._steps = 0

    def tick(self) -> tuple[float, float]:
        """Returns the seconds since the step before was read, and steps per second since the start."""
        before, self._tick, self._steps = self._tick, time.monotonic(), self._steps + 1
        return self._tick - before, self._steps / (self._tick - self._start)

    def due(self, every: float) -> bool:
        """Returns whether the last call of `saved`, or the start, is more than `every` seconds ago."""
        return time.monotonic() - self._saved > every

    def saved(self) -> None:
        """Records that a checkpoint has just been saved."""
        self._saved = time.monotonic()


def _memory_mb(device: torch.device) -> int:
    cuda = device.type == "cuda"
    return int(torch.cuda.max_memory_allocated(device) // 2**20) if cuda else peak_memory_mb()
