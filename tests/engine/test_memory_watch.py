"""A shortage of memory is noted while it lasts, for the try that comes after."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.engine import memory_watch
from pipeline.engine.memory_watch import noting_shortage
from pipeline.engine.storage import Store
from pipeline.engine.tries import Tries


def noted(store: Store) -> list[str]:
    return [each.shortage for each in Tries.begin(store, "marker", "m").earlier]


@pytest.mark.parametrize("shortage", ["", "15.2 of 16.0 GB in use, 12.1 by this process"])
def test_the_next_try_knows_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shortage: str) -> None:
    monkeypatch.setattr(memory_watch, "SECONDS_BETWEEN", 0.001)
    looked: list[str] = []

    def look() -> str:
        looked.append(shortage)
        return shortage

    monkeypatch.setattr(memory_watch, "memory_shortage", look)
    store = Store(str(tmp_path))
    with noting_shortage(Tries.begin(store, "marker", "m")):
        limit = time.monotonic() + 10
        while not looked and time.monotonic() < limit:
            time.sleep(0.001)
    assert noted(store) == [shortage]
    assert looked
