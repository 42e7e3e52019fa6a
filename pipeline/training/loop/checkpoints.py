"""Checkpoints of a training in a store: written in a thread, whole or not at all; the newest intact one is found."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from pipeline.engine.storage import Store

_CHECKSUM_BYTES = 16
_KEPT = 2  # the newest, and one before it in case the newest is damaged


class Checkpoints:
    """The checkpoints of one training: ``step-<number>.pt`` in a folder, each with a checksum in front.

    `save` copies the state and returns; a thread writes it. One write at a time: the next save waits for the one
    before, so that a slow store slows the training instead of filling the memory.
    """

    def __init__(self, store: Store, folder: str) -> None:
        """Opens the folder, which need not exist."""
        self._store, self._folder = store, folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def save(self, step: int, state: Mapping[str, Any], before: Callable[[], None] = lambda: None) -> None:
        """Starts to write a state; files older than the two newest are deleted.

        Args:
            step: number of the next step.
            state: what `Trainer.state_dict` gives: nested dicts and lists of tensors and plain values.
            before: called first in the writing thread, so that what it writes exists if the checkpoint does.

        Raises:
            OSError: the checkpoint before could not be written.
        """
        self.wait()
        copy = _on_host(state)
        self._last = self._pool.submit(self._write, step, copy, before)

    def wait(self) -> None:
        """Returns once the last save is in the store; raises its error if it failed."""
        if self._last is not None:
            self._last.result()
            self._last = None

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Returns step and state of the newest intact checkpoint, or None."""
        for step in reversed(self.steps()):
            data = self._store.read_or_none(self._name(step)) or b""
            if hashlib.blake2b(data[_CHECKSUM_BYTES:], digest_size=_CHECKSUM_BYTES).digest() == data[:_CHECKSUM_BYTES]:
                state = torch.load(io.BytesIO(data[_CHECKSUM_BYTES:]), map_location="cpu", weights_only=True)
                return step, state
        return None

    def steps(self) -> list[int]:
        """Returns the steps of all files, oldest first."""
        names = (name for name in self._store.sizes(self._folder) if name.startswith("step-"))
        return sorted(int(name.removeprefix("step-").removesuffix(".pt")) for name in names)

    def close(self) -> None:
        """Waits for the last save, and ends the thread."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def _write(self, step: int, state: Mapping[str, Any], before: Callable[[], None]) -> None:
        before()
        sink = io.BytesIO()
        torch.save(state, sink)
        data = sink.getvalue()
        self._store.write(self._name(step), hashlib.blake2b(data, digest_size=_CHECKSUM_BYTES).digest() + data)
        for old in self.steps()[:-_KEPT]:
            self._store.delete(self._name(old))

    def _name(self, step: int) -> str:
        return f"{self._folder}/step-{step:010d}.pt"


def _on_host(value: Any) -> Any:
    """Returns a copy on the CPU that the training does not share."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: _on_host(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_on_host(each) for each in value]
    return value
