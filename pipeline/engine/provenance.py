"""What made an output, beside its parameters and inputs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
from contextlib import suppress
from functools import cache
from typing import Any

PACKAGES = ("wider8k", "torch", "ray", "pyarrow", "numpy", "opencv-python-headless")


def installed_versions() -> dict[str, str]:
    """Returns package -> version of those of `PACKAGES` that are installed."""
    return dict(_versions(PACKAGES))


@cache  # reading them takes 10 to 20 ms, which a run of many small nodes would spend on each
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def this_process() -> str:
    """Returns ``machine:process``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def driver() -> dict[str, Any]:
    """Returns host, process and operating system of this process."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "machine": platform.platform()}
