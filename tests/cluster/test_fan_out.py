"""Parts of a whole stage, each in a task: one that ends its process costs a few tries, and not one without end."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from pipeline.cluster.fan_out import fan_out
from pipeline.engine.runner import NodeFailed

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def _double(trace: Path, deaths: int, number: int) -> int:
    """Returns twice a number; of the number 1 its process dies first, as often as said."""
    if number == 1:
        with trace.open("a") as file:
            file.write("x")
        if trace.stat().st_size <= deaths:
            os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_a_part_whose_process_died_is_computed_again(tmp_path: Path) -> None:
    assert fan_out(partial(_double, tmp_path / "trace", 1), range(4)) == [0, 2, 4, 6]
    assert (tmp_path / "trace").stat().st_size == 2


def test_one_that_always_dies_ends_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.fan_out.RESTARTS", 1)
    message = "a process of it died 2 times at the same part; if memory was short, use a larger machine"
    with pytest.raises(NodeFailed, match=message):
        fan_out(partial(_double, tmp_path / "trace", 99), range(4))
    assert (tmp_path / "trace").stat().st_size == 2
