from __future__ import annotations

import json

from pipeline.engine.event_limit import SINGLE, EventLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_events_are_lines_of_their_own():
    limit = EventLimit(Clock())
    lines = [line for i in range(SINGLE) for line in limit.add("shard done", "boxes", {"shard": f"s{i}", "rows": 4})]
    assert len(lines) == SINGLE
    assert lines[3] == {"time": 1000.0, "event": "shard done", "node": "boxes", "shard": "s3", "rows": 4}


def test_later_ones_are_added_up_per_interval():
    clock = Clock()
    limit = EventLimit(clock, clock)
    for _ in range(SINGLE):
        limit.add("item error", "boxes", {})
    for i in range(30):
        clock.now += 0.3
        facts = {
            "kind": "ValueError" if i % 3 else "OSError",
            "seconds": 0.5,
            "peak_mb": 100 - i,
            "key": f"k{i}",
            "ok": True,
        }
        assert limit.add("item error", "boxes", facts) == []
    assert limit.add("item error", "other", {}) == [{"time": 1009.0, "event": "item error", "node": "other"}]
    clock.now = 1010.4
    (line,) = limit.due()
    assert line == {
        "time": 1010.4, "event": "item error", "node": "boxes", "count": 30, "since": 1000.3, "seconds": 15.0,
        "peak_mb": 100, "kind": {"OSError": 10, "ValueError": 20}, "key": "k29",
    }  # fmt: skip
    assert limit.due(every=True) == []


def test_a_clock_that_is_set_changes_no_interval():
    clock, steady = Clock(), Clock()
    limit = EventLimit(clock, steady)
    for _ in range(SINGLE + 1):
        limit.add("shard done", "boxes", {"rows": 2})
    clock.now += 86_400
    assert limit.due() == []
    clock.now -= 172_800
    steady.now += 10
    (line,) = limit.due()
    assert (line["time"], line["since"], line["count"]) == (clock.now, 1000.0, 1)


def test_what_is_left_at_the_end_gets_its_line():
    limit = EventLimit(Clock())
    for _ in range(SINGLE + 3):
        limit.add("shard done", "boxes", {"rows": 2})
    (line,) = limit.due(every=True)
    assert (line["count"], line["rows"]) == (3, 6)


def test_many_kinds_become_others():
    limit = EventLimit(Clock())
    for i in range(SINGLE + 100):
        limit.add("item error", "boxes", {"kind": f"kind {i}"})
    (line,) = limit.due(every=True)
    assert len(line["kind"]) == 21
    assert sum(line["kind"].values()) == 100
    assert line["kind"]["other"] == 80


def test_a_month_of_shards_is_a_few_hundred_kilobytes():
    """A shard every 20 s for 30 days, by simulated time."""
    clock = Clock()
    limit, size, events, lines = EventLimit(clock, clock), 0, 0, 0
    facts = {
        "shard": "shard-0123456789abcdef",
        "rows": 100,
        "errors": 0,
        "bytes": 10**6,
        "seconds": 7.5,
        "peak_mb": 9,
        "host": "h:1",
    }
    for _ in range(30 * 4320):
        clock.now += 20
        for line in limit.add("shard done", "boxes", facts):
            size += len(json.dumps(line)) + 1
            events += line.get("count", 1)
            lines += 1
    events += sum(line["count"] for line in limit.due(every=True))
    assert events == 30 * 4320
    assert lines < 1600
    assert size < 400_000
