"""What Ray's start does otherwise than it would by itself: no option of `ray.init` reaches these."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from pipeline.cluster import no_agent

# Of a head's daemons, what one machine does not need: an autoscaler, a dashboard without its pages (both also serve
# clusters of several machines), and what copies the workers' output, which is shown with --verbose alone. They take 1.4
# to 2.5 of 10 to 12 s of CPU for a start and the first tasks, and a Python process each.
UNUSED_DAEMONS = ("start_monitor", "start_api_server", "start_log_monitor")
REPORT_INTERVAL = "RAY_metrics_report_interval_ms"
SELDOM = "60000"
"""Where the figures of a cluster have no reader."""


@contextmanager
def own_process_groups() -> Iterator[None]:
    """Starts Ray's processes in groups of their own.

    A scheduler or a shell sends SIGTERM to a group: Ray's processes would end at once, and this one with them.
    """
    from ray._private import services

    with _replaced(services, "ConsolePopen", partial(services.ConsolePopen, process_group=0)):
        yield


@contextmanager
def no_wait_once(abandoned: threading.Event) -> Iterator[None]:
    """Lets Ray's start end at once when its processes are about to be killed.

    Ray waits half a minute for the port of its first daemon, the interpreter's lock in hand: if that daemon is dead,
    nothing else of this process runs until then.
    """
    from ray._private import node

    plain = node.wait_for_persisted_port

    def wait(*arguments: Any, **options: Any) -> int:
        if abandoned.is_set():
            raise ConnectionError("Ray is not wanted any more")
        return int(plain(*arguments, **options))

    with _replaced(node, "wait_for_persisted_port", wait):
        yield


@contextmanager
def few_daemons(options: Mapping[str, Any]) -> Iterator[None]:
    """Starts a cluster of this machine without `UNUSED_DAEMONS`; one that is joined, or shows its output, as it is.

    Without a reader of its figures it has no agent either, which would publish them.

    Args:
        options: of `ray.init`.
    """
    from ray._private import services
    from ray._private.node import Node

    with ExitStack() as stack:
        if options.get("address") == "local" and not options["log_to_driver"]:
            for name in UNUSED_DAEMONS:
                stack.enter_context(_replaced(Node, name, lambda *_, **__: None))
            if os.environ.get(REPORT_INTERVAL) == SELDOM and hasattr(services, _BEGIN):
                stack.enter_context(_replaced(services, _BEGIN, partial(_begin, getattr(services, _BEGIN))))
        yield


_BEGIN = "_build_python_executable_command_memory_profileable"


def _begin(plain: Callable[..., list[str]], component: str, *arguments: Any, **options: Any) -> list[str]:
    """Returns how the command of one of Ray's processes begins; Ray's own script and its options follow."""
    if component == "dashboard_agent":
        return [sys.executable, "-I", "-S", str(no_agent.__file__)]
    return plain(component, *arguments, **options)


@contextmanager
def no_reports(options: Mapping[str, Any]) -> Iterator[None]:
    """Joins a cluster without the thread that prints what its machines report of themselves, unless output is shown.

    A machine that is lost reports the last lines of its logs, a state dump of fifty lines: it is not an error of the
    run, which goes on elsewhere and says what it waits for.

    Args:
        options: of `ray.init`.
    """
    from ray._private import worker

    with ExitStack() as stack:
        if not options["log_to_driver"]:
            stack.enter_context(_replaced(worker, "listen_error_messages", lambda *_: None))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
