"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real WIDER FACE data and reference vectors; skips where it is absent, fails on CI."""
    root = Path(os.environ.get("WIDER8K_SHARED", _HERE.parent.parent / "shared"))
    if not (root / "reference").is_dir():
        message = f"no shared data at {root}; set WIDER8K_SHARED to the folder that holds data/ and reference/"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return root
