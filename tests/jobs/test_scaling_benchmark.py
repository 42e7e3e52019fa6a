"""The arithmetic of the scaling benchmark: steady state, efficiency, shares; and a run of it on two simulated nodes."""

from __future__ import annotations

import pytest

from jobs.benchmarks.scaling import ClusterRun, phases, scaling_rows, scaling_section, sharing_rows
from jobs.benchmarks.shard_spans import ShardSpan, all_busy, busy_workers, efficiencies, rate_between, rate_of


def spans(host: str, *times: tuple[float, float], rows: int = 10) -> list[ShardSpan]:
    return [ShardSpan(host, rows, begun, ended) for begun, ended in times]


# Worker b starts 4 s late, and has nothing left 2 s before a.
ALONE = spans("a", (0, 10), (10, 20))
TWO = [*spans("a", (0, 10), (10, 20)), *spans("b", (4, 14), (14, 18), rows=7)]


def test_steady_state_is_while_every_worker_has_work() -> None:
    assert all_busy(TWO) == (4, 18)
    assert rate_between(TWO, *all_busy(TWO)) == pytest.approx((6 + 8 + 7 + 7) / 14)
    assert rate_of(TWO) == pytest.approx(34 / 20)
    assert busy_workers(TWO, 0, 20) == pytest.approx((20 + 14) / 20)
    with pytest.raises(ValueError, match="the 2 workers were never at work at the same time"):
        all_busy([*spans("a", (0, 10)), *spans("b", (12, 14))])


def test_efficiency_is_of_as_many_times_the_rate_of_one_node() -> None:
    assert efficiencies({1: 2.0, 2: 3.8, 8: 12.0}) == {1: 1.0, 2: pytest.approx(0.95), 8: pytest.approx(0.75)}
    with pytest.raises(ValueError, match=r"expected the rate of one node, found those of \[2\]"):
        efficiencies({2: 3.8})


def test_start_and_end_are_apart_from_the_steady_state() -> None:
    runs = {1: ClusterRun({"boxes": tuple(ALONE)}, -5, 26), 2: ClusterRun({"boxes": tuple(TWO)}, -5, 26)}
    found = {row.what: row.ours for row in scaling_rows(runs)}
    assert found["scaling, steady state, 2 nodes, efficiency"] == pytest.approx(28 / 14 / 2)
    assert found["scaling, first to last shard, 2 nodes, efficiency"] == pytest.approx(34 / 20 / 2)
    assert found["scaling, whole, 2 nodes, images/s"] == pytest.approx(34 / 26)


def test_phases_are_by_the_detectors_that_have_shards_left() -> None:
    found = {
        "one": spans("a", (0, 10)),
        "two": [*spans("b", (1, 10)), *spans("a", (12, 20))],
        "three": spans("c", (2, 8)),
    }
    assert phases(found) == [(0, 8, ("one", "three", "two")), (8, 10, ("one", "two")), (10, 20, ("two",))]
    rows = {row.what: row.ours for row in sharing_rows(ClusterRun({k: tuple(v) for k, v in found.items()}, -3, 30), 3)}
    assert rows["sharing, 3 detectors with work for 8 s, busy workers of two"] == pytest.approx(7 / 8)
    assert rows["sharing, 1 detectors with work for 10 s, busy share of all"] == pytest.approx(8 / 10 / 3)
    assert rows["sharing, busy share from first to last shard"] == pytest.approx((10 + 9 + 8 + 6) / 20 / 3)
    assert rows["sharing, seconds before the first shard"] == 3


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.faults
def test_two_simulated_nodes_do_twice_the_work_of_one() -> None:
    section = scaling_section([1, 2], images=20, seconds=0.2, shard_rows=2)
    found = {row.what: row.ours for row in section.rows}
    assert 0.7 < (found["scaling, steady state, 2 nodes, efficiency"] or 0) < 1.2
    assert found["scaling, steady state, 1 nodes, images/s"] == pytest.approx(5, rel=0.3)
