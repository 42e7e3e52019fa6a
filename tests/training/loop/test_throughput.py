"""Seconds of a step, steps per second, and whether it is time to keep the state."""

from __future__ import annotations

import time

import pytest

from pipeline.training.loop.throughput import Throughput


def test_steps_are_timed_from_the_end_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Throughput()
    now[0] = 102.0
    assert pace.tick() == (2.0, 0.5)
    now[0] = 108.0
    assert pace.tick() == (6.0, 0.25)


def test_it_is_time_after_so_many_seconds_since_it_was_kept_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Throughput()
    now[0] = 5.0
    assert not pace.due(5.0) and pace.due(4.9)
    pace.kept()
    assert not pace.due(0.0)
    now[0] = 5.5
    assert pace.due(0.4)
