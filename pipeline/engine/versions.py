"""Versions of what an output was computed with, for its provenance."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

PACKAGES = ("wider8k", "torch", "ray", "pyarrow", "numpy", "opencv-python-headless")


def versions() -> Mapping[str, str]:
    """Returns package -> version of those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
