"""What a node prints while no machine has room for it, and when it gives up."""

from __future__ import annotations

import time

import pytest

from pipeline.cluster.waiting import Waiting
from pipeline.engine.capacity import Machine
from pipeline.engine.runner import NodeFailed

HEAD, SMALL, LARGE = Machine(0, 0, 8), Machine(2, 0, 8), Machine(8, 1, 8)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Seconds that only count on; the time of day goes with them."""
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0 + clock.now)
    return clock


def made(clock: Clock, lines: list[str], minutes: float = 5, vain: bool = False) -> Waiting:
    return Waiting("boxes", Machine(4, 1, 0), minutes, lines.append, lambda worker: vain, clock=clock)


def test_it_says_what_it_waits_for_and_until_when_and_ends(clock: Clock) -> None:
    lines: list[str] = []
    waiting = made(clock, lines)
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + 300))
    for _ in range(5):
        waiting.check([HEAD, SMALL])
        clock.now += 60 - 1e-3
    assert lines == [
        "boxes: no machine of the cluster has room for a worker of 4 cpus, 1 gpus "
        f"(1 x 0 cpus, 0 gpus and 8 GB; 1 x 2 cpus, 0 gpus and 8 GB); waiting until {until} for one that joins"
    ]
    clock.now += 1
    with pytest.raises(
        NodeFailed, match=r"no machine joined within 5 min \(--wait-minutes\), .* 1 gpus \(1 x 0 .* is kept"
    ):
        waiting.check([HEAD, SMALL])
    assert len(lines) == 1


def test_a_clock_that_is_set_neither_ends_a_wait_nor_makes_it_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    waiting, right = Waiting("boxes", Machine(1, 0, 0), 5, lines.append), time.time
    waiting.check([])
    monkeypatch.setattr(time, "time", lambda: right() + 86_400)
    waiting.check([])
    monkeypatch.setattr(time, "time", lambda: right() - 86_400)
    waiting.check([Machine(1, 0, 0)])
    assert lines[1:] == ["boxes: a machine has joined after 0 s; it goes on"]


def test_each_wait_has_all_its_time(clock: Clock) -> None:
    lines: list[str] = []
    waiting = made(clock, lines)
    for _ in range(3):
        waiting.check([LARGE])
        waiting.check([])
        clock.now += 240
        waiting.check([LARGE])
    assert len(lines) == 6
    assert "(no machine); waiting until " in lines[0]
    assert lines[1] == "boxes: a machine has joined after 4 min; it goes on"


def test_a_wait_in_vain_ends_early(clock: Clock) -> None:
    waiting = made(clock, [], vain=True)
    waiting.check([HEAD])  # an autoscaler's first report may be of before
    clock.now += 29
    waiting.check([HEAD])
    clock.now += 1
    with pytest.raises(NodeFailed, match=r"autoscaler has no kind of machine .* 4 cpus, 1 gpus; .* boxes\.run"):
        waiting.check([HEAD])


def test_a_limit_of_nothing_ends_at_once(clock: Clock) -> None:
    with pytest.raises(NodeFailed, match="within 0 s"):
        made(clock, [], minutes=0).check([])


def test_workers_that_start_together_need_room_for_all(clock: Clock) -> None:
    lines: list[str] = []
    waiting = Waiting("detector", Machine(1, 1, 0), 5, lines.append, count=2, clock=clock)
    waiting.check([LARGE])
    waiting.check([LARGE, LARGE])
    assert len(lines) == 2
    assert "the cluster has no room for 2 workers of 1 cpus, 1 gpus (1 x 8 cpus, 1 gpus and 8 GB)" in lines[0]


def test_what_one_node_has_waited_for_in_vain_the_next_one_does_not(clock: Clock) -> None:
    lines: list[str] = []
    since: dict[tuple[Machine, int], float] = {}

    def node(name: str, cpus: float) -> Waiting:
        return Waiting(name, Machine(cpus, 0, 0), 5, lines.append, since=since, clock=clock)

    node("a", 4).check([SMALL])
    clock.now += 240
    node("b", 4).check([SMALL])
    node("c", 3).check([SMALL])  # something else
    clock.now += 60
    with pytest.raises(NodeFailed, match="within 5 min"):
        node("d", 4).check([SMALL])
    assert [line[0] for line in lines] == ["a", "b", "c"]
    assert lines[0].partition(" until ")[2] == lines[1].partition(" until ")[2] != lines[2].partition(" until ")[2]
    node("e", 4).check([LARGE])
    node("f", 4).check([SMALL])
    assert lines[-1].startswith("f: no machine")
