"""What a cluster can become: Ray's own autoscalers, of both versions, start raylets on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.simulated.small_cluster import SmallCluster
from tests.cluster.squares_driver import (
    assert_as_in_a_quiet_run,
    assert_without_dumps,
    at_a_pace,
    ended,
    read_until,
    start_squares,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.faults]
RESOURCES = {"CPU": 1, "object_store_memory": 80_000_000}
KINDS = {"single": {"resources": RESOURCES, "node_config": {}, "min_workers": 0, "max_workers": 2}}


@pytest.fixture(scope="module", params=[2, 1])
def growing(request: pytest.FixtureRequest) -> Iterator[SmallCluster]:
    """A head without CPUs and an autoscaler that can start two machines of one."""
    cluster = SmallCluster(KINDS, request.param)
    yield cluster
    cluster.close()


def test_a_head_without_cpus_is_accepted_and_machines_are_started_for_it(world, growing):
    at_a_pace(world, 100)
    driver = start_squares(world, growing.env, "squares.run.workers=auto")
    text = read_until(driver, "numbers: no machine of the cluster has room for a worker of 1 cpus", "waiting until")
    text += read_until(driver, "numbers: a machine has joined")
    text += read_until(driver, "squares: the cluster has room for 2 workers now")
    code, rest = ended(driver)
    assert code == 0, text + rest
    assert_without_dumps(text + rest)
    assert_as_in_a_quiet_run(world, 100)


def test_a_machine_that_no_autoscaler_has_is_not_waited_for_to_the_end(world, growing, request):
    driver = start_squares(world, growing.env, "wait=0.8", "squares.run.cpus=3", "cubes.run.cpus=3")
    text = read_until(driver, "squares: no machine of the cluster has room for a worker of 3 cpus")
    code, rest = ended(driver)
    assert code == 1
    # The first version reports nothing of what it cannot start.
    reports = request.node.callspec.params["growing"] == 2
    reason = "the cluster's autoscaler has no kind of machine" if reports else "no machine joined within 48 s"
    assert f"squares: failed: {reason}" in rest, text + rest
    assert_without_dumps(text + rest)
