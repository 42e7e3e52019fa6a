"""The device and the engine by name."""

from __future__ import annotations

import pytest
import torch

from pipeline.inference.device import choose_device, choose_engine
from pipeline.inference.engines import fastest


def test_auto_is_the_best_there_is() -> None:
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == "cpu"
    assert choose_engine("auto", "cpu") == fastest("cpu")
    assert choose_engine("torch", "cpu") == "torch"


def test_mistakes_are_one_line() -> None:
    with pytest.raises(ValueError, match="^device tpu: expected auto, cpu or cuda$"):
        choose_device("tpu")
    with pytest.raises(ValueError, match="engine cuda_graph runs on cuda, not on cpu"):
        choose_engine("cuda_graph", "cpu")
    with pytest.raises(ValueError, match="'quick'"):
        choose_engine("quick", "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no CUDA device")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="device cuda: torch sees no CUDA device here; choose cpu or auto"):
        choose_device("cuda")
