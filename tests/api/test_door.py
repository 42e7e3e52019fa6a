from __future__ import annotations

import subprocess
import sys

import pytest

import pipeline


def test_every_name_is_there_and_listed() -> None:
    for name in pipeline.__all__:
        assert callable(getattr(pipeline, name))
    assert set(pipeline.__all__) <= set(dir(pipeline))
    assert sorted(pipeline.__all__) == sorted(pipeline._MODULE_OF)


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'detectt'; it has Evaluation, .*load_ranker"):
        _ = pipeline.detectt  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("use", "loaded"),
    [
        ("pipeline", "[]"),
        ("pipeline.evaluate({'a': [[0, 0, 9, 9, 1]]}, {'a': [[0, 0, 9, 9]]})", "[]"),
        # Not torchvision, whose import loads torch's compiler: 1.1 s of CPU in every worker that suppresses.
        (
            "pipeline.load; import torch; from pipeline.boxes.suppression import nms; "
            "nms(torch.ones(1, 4), torch.ones(1), 0.4)",
            "['torch']",
        ),
    ],
)
def test_only_what_is_used_is_loaded(use: str, loaded: str) -> None:
    heavy = ("torch", "torchvision", "torch._dynamo", "ray", "cv2")
    code = f"import sys, pipeline; {use}; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == loaded
