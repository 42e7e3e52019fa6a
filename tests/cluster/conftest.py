from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray  # before `connect` sets what Ray reads when it is imported, as a user's program may import it

from pipeline.cluster.session import connect
from tests.engine.conftest import world

__all__ = ["world"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """One local Ray of two CPUs for all tests of the session."""
    connect(cpus=2)
    yield
    ray.shutdown()
