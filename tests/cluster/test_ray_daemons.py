"""What is changed of the start of Ray, as far as no cluster is needed for it."""

from __future__ import annotations

import threading

import pytest

from pipeline.cluster import no_agent
from pipeline.cluster.ray_daemons import (
    REPORT_INTERVAL,
    SELDOM,
    UNUSED_DAEMONS,
    few_daemons,
    no_reports,
    no_wait_once,
)


def test_an_abandoned_start_does_not_wait_for_the_port_of_a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ray's own function keeps the interpreter's lock for half a minute where the daemon is dead.
    from ray._private import node

    asked: list[str] = []
    monkeypatch.setattr(node, "wait_for_persisted_port", lambda folder, **_: asked.append(folder) or 6379)
    plain, abandoned = node.wait_for_persisted_port, threading.Event()
    with no_wait_once(abandoned):
        assert node.wait_for_persisted_port("session", timeout_ms=30_000) == 6379
        abandoned.set()
        with pytest.raises(ConnectionError, match="not wanted any more"):
            node.wait_for_persisted_port("session", timeout_ms=30_000)
    assert asked == ["session"]
    assert node.wait_for_persisted_port is plain


def test_a_cluster_of_this_machine_has_fewer_daemons_unless_its_output_is_shown() -> None:
    from ray._private.node import Node

    plain = [getattr(Node, name) for name in UNUSED_DAEMONS]
    with few_daemons({"address": "local", "log_to_driver": True}):
        assert [getattr(Node, name) for name in UNUSED_DAEMONS] == plain
    with few_daemons({"log_to_driver": False}):
        assert [getattr(Node, name) for name in UNUSED_DAEMONS] == plain
    with few_daemons({"address": "local", "log_to_driver": False}):
        assert not {getattr(Node, name) for name in UNUSED_DAEMONS} & set(plain)
    assert [getattr(Node, name) for name in UNUSED_DAEMONS] == plain


def test_what_machines_report_of_themselves_is_printed_only_with_the_rest_of_rays_output() -> None:
    from ray._private import worker

    plain = worker.listen_error_messages
    with no_reports({"log_to_driver": True}):
        assert worker.listen_error_messages is plain
    with no_reports({"log_to_driver": False}):
        assert worker.listen_error_messages(worker, threading.Event()) is None  # the plain one would read on and on
    assert worker.listen_error_messages is plain


@pytest.mark.parametrize(
    ("interval", "options", "left_out"),
    [
        (SELDOM, {"address": "local", "log_to_driver": False}, True),
        ("5000", {"address": "local", "log_to_driver": False}, False),
        (SELDOM, {"address": "local", "log_to_driver": True}, False),
        (SELDOM, {"log_to_driver": False}, False),
    ],
)
def test_an_agent_is_started_where_somebody_reads_what_it_publishes(
    monkeypatch: pytest.MonkeyPatch, interval: str, options: dict[str, object], left_out: bool
) -> None:
    from ray._private import ray_constants, services

    monkeypatch.setenv(REPORT_INTERVAL, interval)
    begin = "_build_python_executable_command_memory_profileable"
    plain = getattr(services, begin)
    names = (ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT)
    with few_daemons(options):
        agent, other = (getattr(services, begin)(name, "session") for name in names)
    assert (no_agent.__file__ in agent) == left_out
    assert other == plain(names[1], "session")
    assert getattr(services, begin) is plain
