"""Machines of the cluster this process is connected to: those that are there, and those that may join."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.engine.capacity import FIXED, Machine, Outlook, room_for

_MIRRORED = "node_"  # begins the kind of each machine in the state of a cluster that was put together by hand


def leaving_nodes() -> frozenset[str]:
    """Returns the ids of nodes that are drained: they finish what they have and get nothing more."""
    from ray._private.state import state

    return frozenset(state.get_draining_nodes())


def machines_now(leaving: bool = False) -> tuple[Machine, ...]:
    """Returns what each machine has in all, taken or not; those that are drained only if `leaving`."""
    return tuple(machines_by_id(frozenset() if leaving else leaving_nodes()).values())


def machines_by_id(left_out: frozenset[str]) -> dict[str, Machine]:
    """Returns the id of each machine's raylet -> what it has in all; those of `left_out` are not among them."""
    import ray

    nodes = (node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in left_out)
    return {node["NodeID"]: _machine(node["Resources"]) for node in nodes}


def free_machines(worker: Machine) -> list[str]:
    """Returns the id of every machine that is not drained, as often as it has room for a worker beside its others."""
    from ray._private.state import available_resources_per_node

    leaving = leaving_nodes()
    free = {node: _machine(resources) for node, resources in available_resources_per_node().items()}
    rooms = {node: int(room_for(worker, (machine,))) for node, machine in free.items() if node not in leaving}
    return [node for node, count in rooms.items() for _ in range(count)]


def cluster_outlook() -> Outlook:
    """Returns whether the cluster has an autoscaler, and what it can start where it says so (Ray's own do not)."""
    from ray._private.state import state

    config = state.get_cluster_config()
    if config and config.node_group_configs:
        groups = [group for group in config.node_group_configs if group.resources and group.max_count]
        growing = [group for group in groups if group.max_count < 0 or group.max_count > group.min_count]
        return Outlook(bool(growing), tuple(_machine(group.resources) for group in growing))
    return Outlook(True) if any(not kind.startswith(_MIRRORED) for kind in _kinds_of_machines()) else FIXED


def cannot_be_started(worker: Machine) -> bool:
    """Returns whether the autoscaler reports that it has no machine for such a worker; False where it reports none."""
    requests = _status().autoscaling_state.infeasible_resource_requests
    return any(_same(_machine(request.resources_bundle), worker) for request in requests)


def _kinds_of_machines() -> Iterable[str]:
    """Yields how the cluster's autoscaler calls the kinds of its machines, of either version."""
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.experimental.internal_kv import _internal_kv_get

    if report := _internal_kv_get(DEBUG_AUTOSCALING_STATUS):
        yield from (json.loads(report).get("autoscaler_report", {}).get("node_type_mapping") or {}).values()
    nodes = _status().cluster_resource_state.node_states
    yield from (node.ray_node_type_name for node in nodes if node.ray_node_type_name)


def _same(one: Machine, other: Machine) -> bool:
    names = ("cpus", "gpus", "memory_gb")  # bytes are whole, and Ray counts in ten-thousandths
    return all(math.isclose(getattr(one, name), getattr(other, name), abs_tol=1e-3) for name in names)


def _status() -> Any:
    from ray._private.worker import global_worker
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    reply = GetClusterStatusReply()
    reply.ParseFromString(global_worker.gcs_client.get_cluster_status(timeout_s=10))
    return reply


def _machine(resources: Mapping[str, float]) -> Machine:
    amounts = {name: resources.get(name, 0.0) for name in ("CPU", "GPU", "memory")}
    return Machine(amounts["CPU"], amounts["GPU"], amounts["memory"] / 2**30)
