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
    for images in (150, 450):
        plans = plan(planning_graph(images), Store(str(tmp_path / str(images))), Options(frozenset(NODES)))
        assert [each.decision for each in plans.values()] == [Decision.REUSE] * 3
        assert [each.artifact and each.artifact.manifest.rows for each in plans.values()] == [images] * 3
