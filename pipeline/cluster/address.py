"""The cluster that `RAY_ADDRESS` names, and whether it accepts connections."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable

from pipeline.engine.redaction import redact

SECONDS_TO_ANSWER = 10.0  # a head that is starting may need them
SECONDS_OF_SILENCE = 2.0  # before a line about the wait


def joined() -> bool:
    """Returns whether a run joins an existing cluster rather than start a local one."""
    return os.environ.get("RAY_ADDRESS", "") not in ("", "local")


def host_and_port(address: str) -> tuple[str, int]:
    """Returns the two parts of ``host:port`` or ``[IPv6]:port``.

    Raises ValueError for anything else, with what can be given.
    """
    shown = re.sub(r"[^/\s]*@", "***@", redact(address))
    if address.startswith("ray://"):
        raise ValueError(
            f"RAY_ADDRESS: Ray Client ({shown}) cannot carry a run; use `ray job submit`, "
            "or set host:port on a machine of the cluster"
        )
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/\[\]@]+)):(\d{1,5})", address)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise ValueError(
            "RAY_ADDRESS: expected host:port of a cluster, auto for one on this machine, or nothing for a small local "
            f"one; found {shown!r}"
        )
    return found[1] or found[2], int(found[3])


def require_answer(host: str, port: int, log: Callable[[str], None]) -> None:
    """Returns once a connection is accepted; `log` takes a line on what is waited for after `SECONDS_OF_SILENCE`.

    Raises ConnectionError if none was for `SECONDS_TO_ANSWER`; at once where the host has no address.
    """
    started, logged = time.monotonic(), False
    while True:
        left = started + SECONDS_TO_ANSWER - time.monotonic()
        try:
            # Short attempts: a machine that is off does not even refuse.
            socket.create_connection((host, port), timeout=max(0.1, min(left, SECONDS_OF_SILENCE))).close()
            return
        except socket.gaierror as error:
            raise ConnectionError(no_cluster(f"{host}:{port}", str(error.strerror or error))) from None
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
        seconds = time.monotonic() - started
        if seconds >= SECONDS_TO_ANSWER:
            raise ConnectionError(no_cluster(f"{host}:{port}", reason))
        if not logged and seconds >= SECONDS_OF_SILENCE:
            logged = True
            log(f"waiting for the Ray cluster at {host}:{port} (RAY_ADDRESS): {reason}")
        time.sleep(0.2)


def no_cluster(address: str, reason: str) -> str:
    """Returns the message for a cluster that does not answer."""
    return (
        f"RAY_ADDRESS: no Ray cluster answers at {address} ({reason}); nothing was started. "
        "Start it or correct the address; without RAY_ADDRESS the run has a small cluster of its own"
    )
