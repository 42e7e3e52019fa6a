"""A whole training in one process or several: first weights, steps, checkpoints, looks at held-out images, the end.

Every process runs `run` with the same arguments. Whatever moment it is killed at, running it again goes on from the
newest checkpoint and ends with the bytes of an undisturbed run: pictures and random numbers belong to steps, not to
processes or times.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from pipeline.engine.shards import hash_bytes, peak_memory_mb
from pipeline.engine.storage import Store
from pipeline.engine.worker_group import Prefetch, in_threads
from pipeline.training.data.sampler import BatchSampler, Loaded
from pipeline.training.loop.checkpoints import Checkpoints
from pipeline.training.loop.determinism import channels_last, deterministic, set_norms
from pipeline.training.loop.device_prefetch import DevicePrefetch, Staged
from pipeline.training.loop.distributed import Process
from pipeline.training.loop.metrics_log import MetricsLog
from pipeline.training.loop.step import PendingStep, Step, TrainingError
from pipeline.training.loop.throughput import Throughput
from pipeline.training.loop.trainer import Trainer
from pipeline.training.loop.validator import Validator
from pipeline.training.recipes.base import Recipe
from pipeline.training.recipes.repeatable import Repeatable
from pipeline.training.tasks.learner import Learner

FINAL, BEST = "final.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and where its state lies; picklable.

    Attributes:
        learner: the network, its recipe and its first weights.
        batches: pictures of each step.
        store: of checkpoints and log.
        folder: in it, of this recipe alone.
        validator: of held-out images, None for no looks.
        threads: that a process computes with.
        accelerated: every process has a GPU.
        overlapped: a step's numbers are read when the next one has been begun, and the next batch is brought over
            meanwhile; None where there is a GPU, which then need not wait for the host. The bytes are the same.
        repeatable: see `deterministic`.
        checkpoint_seconds: seconds between two checkpoints.
        bad_share: the training stops if a larger share of the pictures cannot be read.
    """

    learner: Learner[Any]
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
        return self.learner.recipe


def run(training: Training, stream: Prefetch = in_threads, say: Callable[[str], None] = print) -> None:
    """Trains to the last step; ``final.safetensors`` and, with a judge, ``best.safetensors`` then lie in the folder.

    Args:
        training: the same in every process.
        stream: computes batches ahead, see `Gang`.
        say: takes lines of progress, in the first process only.

    Raises:
        TrainingError: a loss that is no number, or too many unreadable pictures, in every process alike.
        ValueError: the recipe does not fit the machine, or the folder's checkpoints are of another architecture.
    """
    torch.set_num_threads(training.threads)
    process = Process.here(training.accelerated)
    model = training.learner.first().to(process.device)
    set_norms(model, training.recipe.norms, process.processes)
    with deterministic(training.repeatable, accelerated=process.device.type == "cuda"), channels_last(model):
        session = _Session(training, process, model, say)
        try:
            session.steps(stream)
        finally:
            session.close()
    if process.first:
        training.store.write(f"{training.folder}/{FINAL}", session.weights())


@dataclass(frozen=True, slots=True)
class _Begun:
    pending: PendingStep
    errors: tuple[str, ...]  # of this process's pictures
    waited: float  # seconds, for the loaders


@dataclass
class _Session:
    training: Training
    process: Process
    model: Any
    say: Callable[[str], None]
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    best: str = ""  # checksum of the best weights so far
    pace: Throughput = field(default_factory=Throughput)

    def __post_init__(self) -> None:
        training = self.training
        network = self.process.joined(self.model)
        if training.recipe.compiled:
            network = torch.compile(network)
        self.trainer = Trainer(training.learner.task(self.model, network), training.recipe)
        self.checkpoints = Checkpoints(training.store, training.folder)
        found = self.checkpoints.newest()
        if len(set(self.process.gather(None if found is None else found[0]))) > 1:
            raise ValueError(f"not every process sees the same checkpoints in {training.store.url}: is it shared?")
        if found is not None:
            self.trainer.load_state_dict(found[1]["trainer"])
            self.verdicts, self.bad = list(found[1]["verdicts"]), dict(found[1]["bad"])
            self.best = str(found[1].get("best", ""))  # of an earlier version: not known
        self.journal = None
        if self.process.first:
            self.journal = MetricsLog(training.store, training.folder, self.trainer.steps_done)

    def steps(self, stream: Prefetch) -> None:
        """Goes from where the training is to the last step."""
        training, process, trainer = self.training, self.process, self.trainer
        start, total = trainer.steps_done, training.recipe.steps
        share = partial(training.batches, rank=process.rank, processes=process.processes)
        overlapped = training.accelerated if training.overlapped is None else training.overlapped
        coming = iter(stream(share, range(start, total)))
        staging = DevicePrefetch(coming, self.model.normalisation, process.device, early=overlapped)
        begun: deque[_Begun] = deque()
        self.pace = Throughput()
        for step in range(start, total):
            begun.append(self._begin(staging.take(), step))
            staging.prepare()
            look, last = self._due(step + 1), step + 1 == total
            # What is shown or kept stands on steps that have all been read.
            save = self._read(begun, leave=0 if look or last else int(overlapped)) or last
            if save:
                self._read(begun, leave=0)
            if look:
                self._judge(step + 1)
            if save:
                self.pace.kept()
                self._save()

    def weights(self) -> bytes:
        """Returns the weights that come out, as safetensors.

        Raises:
            TrainingError: the best ones are not in the store as they were written.
        """
        training = self.training
        if training.recipe.select == "best" and self.verdicts:
            name = f"{training.folder}/{BEST}"
            weights = training.store.read(name)
            if self.best not in ("", hash_bytes(weights)):
                raise TrainingError(
                    f"{training.store.path(name)} is damaged: expected the bytes that were written, found others; "
                    f"delete {training.store.path(training.folder)} and run again to train anew"
                )
            return weights
        return training.learner.saved(self._judged_network())

    def close(self) -> None:
        """Waits for what is being written."""
        self.checkpoints.close()

    def _begin(self, staged: Staged, step: int) -> _Begun:
        training, process = self.training, self.process
        # Whatever draws random numbers in a network draws them from what belongs to this step: nothing to be saved.
        torch.manual_seed((training.recipe.seed * 1_000_003 + step) * 4096 + process.rank)
        # When it is time to save all processes must learn at the same step, since they read what they have begun then.
        due = process.first and self.pace.due(training.checkpoint_seconds)
        aside = (float(len(staged.pixels.errors)), float(due))
        pending = self.trainer.begin(staged.batch, process.sum, process.processes, aside)
        return _Begun(pending, staged.pixels.errors, staged.waited)

    def _read(self, begun: deque[_Begun], leave: int) -> bool:
        """Reads and tells the oldest steps, all but `leave` of them; returns whether it is time to save."""
        save = False
        while len(begun) > leave:
            each = begun.popleft()
            done = self._done(each)
            if done.aside[0]:
                self._note([error for share in self.process.gather(each.errors) for error in share])
            save |= bool(done.aside[1])
            self._tell(each, done)
        return save

    def _done(self, begun: _Begun) -> Step:
        try:
            return begun.pending.read()
        except TrainingError as error:
            process = self.process
            shares = process.gather(begun.pending.image_ids)
            others = [name for rank, share in enumerate(shares) if rank != process.rank for name in share]
            raise TrainingError(f"{error}; other processes had {', '.join(others)}" if others else str(error)) from None

    def _note(self, errors: Sequence[str]) -> None:
        """Remembers pictures that could not be read; too many end the training."""
        self.bad.update(error.split(": ", 1) for error in errors)  # type: ignore[misc]
        allowed = max(1.0, self.training.bad_share * len(self.training.batches.source))
        if len(self.bad) > allowed:
            shown = "; ".join(f"{name}: {why}" for name, why in list(self.bad.items())[:3])
            raise TrainingError(
                f"{len(self.bad)} of {len(self.training.batches.source)} pictures cannot be read, "
                f"allowed are {allowed:.0f}: {shown}; a larger max_error_share goes on without them"
            )

    def _tell(self, begun: _Begun, done: Step) -> None:
        # From the end of the step before, so that looks and checkpoints between them are counted too.
        seconds, pace = self.pace.tick()
        if self.journal is None:
            return
        step, total, batch = begun.pending.number + 1, self.training.recipe.steps, self.training.recipe.batch
        self.journal.add(
            step,
            {
                "loss": done.losses,
                "rate": done.rate,
                "gradient_norm": done.gradient_norm,
                **done.counts,
                "images_per_second": batch / seconds,
                "wait_share": min(1.0, begun.waited / seconds),
                "memory_mb": _memory_mb(self.process.device),
                "bad_pictures": len(self.bad),
            },
        )
        self.say(f"step {step}/{total} loss {done.losses['total']:.3f} {batch * pace:.3g} images/s")

    def _due(self, step: int) -> bool:
        every = self.training.recipe.eval_every
        return self.training.validator is not None and (
            step == self.training.recipe.steps or bool(every and step % every == 0)
        )

    def _judge(self, step: int) -> None:
        validator = self.training.validator
        assert validator is not None
        # Norms that see their own images only have statistics of their own: the first process's are what comes out.
        network = self.process.alike(self._judged_network())
        shares = self.process.gather(validator(network, self.process.rank, self.process.processes))
        verdict = self.process.tell(validator.verdict(shares) if self.process.first else None)
        best = max((validator.worth(each[validator.measure]) for each in self.verdicts), default=-math.inf)
        self.verdicts.append({"step": step, validator.measure: verdict})
        if self.journal is not None:
            # JSON has no NaN.
            told = {name: value if value == value else None for name, value in verdict.items()}
            self.journal.add(step, {validator.measure: told})
            self.say(f"step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in verdict.items()))
            if validator.worth(verdict) > best:
                weights = self.training.learner.saved(network)
                self.training.store.write(f"{self.training.folder}/{BEST}", weights)
                self.best = hash_bytes(weights)

    def _save(self) -> None:
        if self.journal is None:
            return
        step = self.trainer.steps_done
        state = {"trainer": self.trainer.state_dict(), "verdicts": self.verdicts, "bad": self.bad, "best": self.best}
        self.checkpoints.save(step, state, before=self.journal.part(step).write)

    def _judged_network(self) -> Any:
        """Returns a copy of what would come out now, in evaluation mode."""
        network = copy.deepcopy(self.model)
        if self.trainer.average is not None:
            self.trainer.average.copy_to(network)
        return network.to(memory_format=torch.contiguous_format).eval()


def _memory_mb(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) // 2**20)
    return peak_memory_mb()
