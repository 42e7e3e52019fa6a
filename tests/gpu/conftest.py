"""The device of these tests, and float32 without TF32 on it, so that a difference is one of the code."""

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    """The CUDA device; `WIDER8K_TEST_DEVICE=cpu` runs the same lines without one, to see that they run at all."""
    name = os.environ.get("WIDER8K_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    kept = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    yield torch.device(name)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept


def pytest_exception_interact(report: pytest.TestReport) -> None:
    """Says at once what failed and why: a run that is cut off has no summary."""
    print(f"\nFAILED {report.nodeid}\n{report.longreprtext[-3000:]}", flush=True)
