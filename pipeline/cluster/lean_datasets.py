"""Datasets on a cluster of this machine without three helpers of Ray Data: each is a process that imports it.

One gathers statistics for a dashboard, one shares the cluster among datasets and asks for machines, one notes where
workers are. On one machine nothing reads the first, and `ElasticPool` and the only place there is answer the others.
Together they take 3 s of CPU, and a first dataset waits for them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import cache, wraps
from typing import Any


def without_helpers(applies: Callable[[], bool]) -> None:
    """Has the datasets of this process do without the helpers, wherever `applies` says so when one is made.

    What this version of Ray does not have is left as it is.
    """
    from ray.data._internal import stats
    from ray.data._internal.execution import streaming_executor
    from ray.data._internal.execution.operators import actor_pool_map_operator as pools

    manager = stats._StatsManager
    _replace(manager, "gen_dataset_id_from_stats_actor", applies, lambda: uuid.uuid4().hex)
    for name in ("register_dataset_to_stats_actor", "update_execution_metrics", "update_iteration_metrics"):
        _replace(manager, name, applies, lambda *_, **__: None)
    _replace(streaming_executor, "create_cluster_autoscaler", applies, lambda *_, **__: _one_machine()())
    _replace(pools, "get_or_create_actor_location_tracker", applies, _NoTracker)
    _replace(pools, "get_actor_locations", applies, lambda names: {})  # they stay where they were started


class _NoTracker:
    """In place of the actor that notes where others are; it is sent to them."""

    @property
    def update_actor_location(self) -> _NoTracker:
        return self

    def remote(self, *_: object) -> None:
        return


@cache
def _one_machine() -> type[Any]:
    """Returns a class in place of Ray Data's autoscaler: each dataset may use all of the cluster, and none joins."""
    import ray
    from ray.data._internal.cluster_autoscaler import ClusterAutoscaler
    from ray.data._internal.execution.interfaces import ExecutionResources

    class OneMachine(ClusterAutoscaler):  # type: ignore[misc]
        def __init__(self) -> None:
            self._all = ExecutionResources.from_resource_dict(ray.cluster_resources())

        def try_trigger_scaling(self) -> None:
            return

        def on_executor_shutdown(self) -> None:
            return

        def get_total_resources(self) -> Any:
            return self._all

    return OneMachine


_OURS = "of_wider8k"


def _replace(owner: Any, name: str, applies: Callable[[], bool], value: Callable[..., Any]) -> None:
    plain = getattr(owner, name, None)
    if plain is None or hasattr(plain, _OURS):
        return

    @wraps(plain)
    def chosen(*arguments: Any, **options: Any) -> Any:
        return (value if applies() else plain)(*arguments, **options)

    setattr(chosen, _OURS, True)
    setattr(owner, name, staticmethod(chosen) if isinstance(owner, type) else chosen)
