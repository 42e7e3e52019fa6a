"""What replaces Ray Data's helpers; that a dataset is computed without them, every test on a local cluster shows."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import ray
from ray.data._internal import stats
from ray.data._internal.execution import streaming_executor
from ray.data._internal.execution.operators import actor_pool_map_operator as pools

from pipeline.cluster.lean_datasets import without_helpers

HELPERS = [
    (stats._StatsManager, "gen_dataset_id_from_stats_actor"),
    (stats._StatsManager, "register_dataset_to_stats_actor"),
    (stats._StatsManager, "update_execution_metrics"),
    (stats._StatsManager, "update_iteration_metrics"),
    (streaming_executor, "create_cluster_autoscaler"),
    (pools, "get_or_create_actor_location_tracker"),
    (pools, "get_actor_locations"),
]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Puts in the place of each helper one that notes its name; what was there is there again at the end."""
    asked: list[str] = []

    def helper(name: str) -> Any:
        return lambda *_, **__: asked.append(name)

    for owner, name in HELPERS:
        assert hasattr(owner, name), "Ray has it no more: what starts its process now?"
        monkeypatch.setattr(owner, name, staticmethod(helper(name)) if isinstance(owner, type) else helper(name))
    return asked


def test_they_are_asked_where_it_does_not_apply(plain: list[str]) -> None:
    without_helpers(lambda: False)
    for owner, name in HELPERS:
        getattr(owner, name)()
    assert plain == [name for _, name in HELPERS]


def test_nothing_asks_them_where_it_applies(plain: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 3.0, "memory": 5.0, "node:10.0.0.1": 1.0})
    without_helpers(lambda: True)
    without_helpers(lambda: False)  # the first one counts
    manager = stats._StatsManager
    assert manager.gen_dataset_id_from_stats_actor() != manager.gen_dataset_id_from_stats_actor()
    manager.register_dataset_to_stats_actor("dataset", ["tag"], None, None)
    manager.update_execution_metrics("dataset", [], [], {})
    manager.update_iteration_metrics(None, "dataset", split_index="1")
    scaler = streaming_executor.create_cluster_autoscaler({}, None, None, execution_id="dataset")
    assert (scaler.get_total_resources().cpu, scaler.get_total_resources().memory) == (3, 5)
    scaler.try_trigger_scaling()
    scaler.on_executor_shutdown()
    tracker = pickle.loads(pickle.dumps(pools.get_or_create_actor_location_tracker()))
    tracker.update_actor_location.remote("worker", "node")
    assert pools.get_actor_locations(("worker",)) == {}
    assert plain == []
