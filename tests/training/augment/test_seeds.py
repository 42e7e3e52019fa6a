"""An image's augmentation depends on run, epoch and name, not on the worker or the order."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.training.augment.labelled_image import LabelledImage
from pipeline.training.augment.seeds import generator_for
from tests.training.augment.policies import policy

NAMES = [f"0--Parade/{index}" for index in range(6)]


def _scene(name: str) -> LabelledImage:
    rng = np.random.default_rng(NAMES.index(name))
    boxes = np.array([[5, 6, 30, 40], [50, 20, 60, 34]], np.float32)
    return LabelledImage.of(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), boxes)


def _epoch(workers: int, epoch: int) -> dict[str, bytes]:
    """The images as `workers` would augment them: every worker its own share, the last one first."""
    shares = [NAMES[worker::workers] for worker in reversed(range(workers))]
    sse = policy("sse", side=48)
    return {
        name: sse(generator_for(7, epoch, name), _scene(name)).image.tobytes() for share in shares for name in share
    }


def test_no_worker_and_no_epoch_repeats() -> None:
    one = _epoch(1, 0)
    for workers in (2, 3, 6):
        assert _epoch(workers, 0) == one
    other = _epoch(1, 1)
    assert all(one[name] != other[name] for name in NAMES)
    assert len({generator_for(7, epoch, name).random() for epoch in range(40) for name in NAMES}) == 240


def test_the_same_in_another_process() -> None:
    code = "from pipeline.training.augment.seeds import generator_for as g; print(g(3, 2, 'ä/1').random())"
    env = {**os.environ, "PYTHONHASHSEED": "5"}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert float(answer.stdout) == generator_for(3, 2, "ä/1").random()


def test_each_argument_counts() -> None:
    keys = ((1, 2, "a"), (2, 1, "a"), (1, 1, "a"), (1, 2, "b"), (1, 2, ""))
    assert len({generator_for(*key).random() for key in keys}) == 5


@pytest.mark.parametrize("key", [(-1, 0), (0, -1)])
def test_refuses_negative_numbers(key: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        generator_for(*key, "a")
