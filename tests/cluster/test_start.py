"""The start of Ray, as far as no cluster is needed for it."""

from __future__ import annotations

import threading

import pytest

from pipeline.cluster.start import no_wait_once


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
