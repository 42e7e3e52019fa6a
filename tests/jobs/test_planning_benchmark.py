"""The benchmark of planning: it measures outputs that are stored, and leaves them as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.benchmarks.planning import NODES, WORK, growth, planning_graph, planning_section
from pipeline.engine.plan import Decision, Options, plan
from pipeline.engine.storage import Store


def test_the_exponent_is_one_where_ten_times_as_many_take_ten_times() -> None:
    assert growth({10: 2.0, 100: 20.0}) == pytest.approx(1)
    assert growth({1000: 8.0, 10: 2.0}) == pytest.approx(0.30103)


@pytest.mark.slow
def test_every_cost_is_measured_over_stored_outputs(tmp_path: Path) -> None:
    section = planning_section([150, 450], str(tmp_path))
    assert len(section.rows) == len(WORK) * (2 * 3 + 1)
    assert all(row.ours is not None and row.ours > 0 for row in section.rows if "exponent" not in row.what)
    assert not any("requests" in row.what for row in section.rows)
    for images in (150, 450):
        plans = plan(planning_graph(images), Store(str(tmp_path / str(images))), Options(frozenset(NODES)))
        assert [each.decision for each in plans.values()] == [Decision.REUSE] * 3
        assert [each.artifact and each.artifact.manifest.rows for each in plans.values()] == [images] * 3


@pytest.mark.slow
def test_requests_to_a_stand_in_for_s3_are_counted_and_take_their_time() -> None:
    section = planning_section([150], None, delay_ms=5)
    found = {row.what.removesuffix(", 150 images x 3 nodes, requests"): row.ours for row in section.rows}
    requests = {what: found[what] for what in WORK}
    assert all(requests.values())
    seconds = {row.what: row.ours for row in section.rows}
    plan_seconds = seconds["plan, 150 images x 3 nodes, s"]
    assert plan_seconds is not None and plan_seconds > 0.005
    # Two records of the node whose manifest is gone; the shards of the others are not asked for.
    assert (requests["plan after a kill"] or 0) > (requests["plan"] or 0)
