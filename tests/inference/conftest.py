"""One thread: the networks here are small, and two threads on a busy machine wait for each other most of the time."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> None:
    torch.set_num_threads(1)
