"""Starts and ends Ray: quietly, open to signals, within a time limit, and with no process left after a failure."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from pipeline.cluster.address import SECONDS_OF_SILENCE, host_and_port, no_cluster, require_answer
from pipeline.cluster.ray_daemons import few_daemons, no_reports, no_wait_once, own_process_groups
from pipeline.engine.stopping import ends_at_once

SECONDS_TO_JOIN = 30.0  # with those until it answers, less than a minute
SECONDS_TO_LEAVE = 30.0
SECONDS_BETWEEN_CHECKS = 0.005
_SOCKET_NAME_BYTES = 107  # of a Unix socket on Linux


class _RayThread(threading.Thread):
    """The thread in which Ray starts and ends, since Ray blocks signals while it does either, possibly for minutes.

    It lives as long as the cluster: Ray's processes end with the thread that started them.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(name="ray", daemon=True)
        self._options, self.local = options, options.get("address") == "local"
        self.begun, self.leaving, self.abandoned = threading.Event(), threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        import ray

        try:
            with (
                own_process_groups(),
                no_wait_once(self.abandoned),
                few_daemons(self._options),
                no_reports(self._options),
            ):
                ray.init(**self._options)
        except BaseException as error:
            self.error = error
            with contextlib.suppress(Exception):
                ray.shutdown()
        self.begun.set()
        if not self.error:
            self.leaving.wait()
            ray.shutdown()


_thread: _RayThread | None = None


def start_local(options: Mapping[str, Any], verbose: bool) -> None:
    """Starts a cluster that ends with this process.

    Raises:
        ValueError: the folder for temporary files has too long a name for Ray's sockets.
        ConnectionError: it cannot be started, with Ray's own reason.
    """
    folder = _temporary_folder()
    with _muffled(verbose), _no_process_left():
        try:
            error = _begin(options, lambda seconds: None)
        except BaseException:
            if _thread is not None:
                _thread.abandoned.set()
            raise
        if error:
            raise ConnectionError(
                f"Ray could not be started on this machine ({_first_line(error)}); its logs are in {folder}/ray, "
                "and --local does without it"
            ) from error


def join(options: Mapping[str, Any], verbose: bool) -> None:
    """Joins the cluster of `RAY_ADDRESS`.

    Raises:
        ValueError: it is no address.
        ConnectionError: no cluster answers there within a minute.
    """
    address = os.environ["RAY_ADDRESS"]
    if address == "auto":
        address = _local_address()
    host, port = host_and_port(address)
    logged = False
    with _muffled(verbose) as log:

        def watch(seconds: float) -> None:
            nonlocal logged
            if seconds > SECONDS_OF_SILENCE and not logged:
                logged = True
                log(f"waiting for the Ray cluster at {address} (RAY_ADDRESS): it takes connections, and is silent")
            if seconds > SECONDS_TO_JOIN:
                reason = f"it takes connections, and has not answered for {seconds:.0f} s"
                raise ConnectionError(no_cluster(address, reason))

        require_answer(host, port, log)
        error = _begin(options, watch)
    if error:
        raise ConnectionError(no_cluster(address, _first_line(error))) from error


def ends_with_this_process() -> bool:
    """Returns whether the cluster is one that `start_local` has started here."""
    return _thread is not None and _thread.is_alive() and _thread.local


def leave() -> None:
    """Leaves the cluster; one that this process has started ends.

    A process that a signal ends leaves it by its end: Ray's own way gives SIGTERM its default for some milliseconds, in
    which another one ends the process before its lock is free.
    """
    if ends_at_once():
        _kill_daemons()
        return
    import ray

    if _thread is None or not _thread.is_alive():
        ray.shutdown()
        return
    restore, end = _sigterm_restorer(), time.monotonic() + SECONDS_TO_LEAVE
    _thread.leaving.set()
    while _thread.is_alive() and time.monotonic() < end:
        _thread.join(SECONDS_BETWEEN_CHECKS)
        restore()


def _kill_daemons() -> None:
    """Ends the daemons that this process has started, if any, and their workers; Ray in here waits for them in vain."""
    from ray._private import worker

    family: list[psutil.Process] = []
    for each in worker._global_node.all_processes.values() if worker._global_node else ():
        for started in each:
            with contextlib.suppress(psutil.NoSuchProcess):
                daemon = psutil.Process(started.process.pid)
                family += [daemon, *daemon.children(recursive=True)]
    _kill(family)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _begin(options: Mapping[str, Any], watch: Callable[[float], None]) -> BaseException | None:
    """Returns the error of `ray.init`, if any; `watch` gets the seconds so far, and may raise."""
    global _thread
    _thread, restore, started = _RayThread(options), _sigterm_restorer(), time.monotonic()
    _thread.start()
    while not _thread.begun.wait(SECONDS_BETWEEN_CHECKS):
        restore()
        watch(time.monotonic() - started)
    restore()
    return _thread.error


def _sigterm_restorer() -> Callable[[], None]:
    """Returns a function that sets this process's present SIGTERM handler again.

    Ray's C++ side replaces the handler when it starts, and makes the signal end the process at once when it ends, both
    unseen by Python.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if main else None  # None as well where it is not Python's

    def restore() -> None:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)

    return restore


def _local_address() -> str:
    """Returns the address of the cluster that runs on this machine."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        return str(canonicalize_bootstrap_address("auto"))
    except ConnectionError:
        raise ConnectionError(no_cluster("auto", "none runs on this machine")) from None


def _temporary_folder() -> str:
    """Returns the folder that Ray will use, absolute: its processes have several working folders."""
    variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "RAY_TMPDIR")
    folder = os.path.abspath(os.environ.get(variable) or "/tmp")
    os.environ["RAY_TMPDIR"] = folder
    rest = f"/ray/session_2026-01-01_00-00-00_000000_{os.getpid()}/sockets/plasma_store"
    room, length = _SOCKET_NAME_BYTES - len(rest), len(os.fsencode(folder))
    if length > room:
        raise ValueError(
            f"{variable}: Ray's sockets are in it and leave room for {room} bytes, found {length}: {folder}. "
            "Set RAY_TMPDIR to a folder with a shorter name (export RAY_TMPDIR=/tmp), or add --local"
        )
    return folder


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def _no_process_left() -> Iterator[None]:
    """Kills the processes that were started inside if it ends with an error or a signal."""
    before = set(psutil.Process().children(recursive=True))
    try:
        yield
    except BaseException:
        end = time.monotonic() + 5
        while left := [each for each in psutil.Process().children(recursive=True) if each not in before]:
            _kill(left)
            psutil.wait_procs(left, timeout=1)
            if time.monotonic() > end:
                break
        raise


@contextmanager
def _muffled(verbose: bool) -> Iterator[Callable[[str], None]]:
    """Drops warnings, and what Ray's C++ side writes straight to stderr; yields a function that prints nevertheless."""
    sys.stderr.flush()
    kept = os.dup(2)

    def log(line: str) -> None:
        os.write(kept, f"{line}\n".encode())

    try:
        if verbose:
            yield log
            return
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield log
    finally:
        os.dup2(kept, 2)
        os.close(kept)
