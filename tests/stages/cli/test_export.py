from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipeline.models.weights import open_detector
from tests.inference.onnx_answers import run_onnx


def test_a_checkpoint_becomes_an_onnx_file_that_answers_alike(wider8k, weights: str, tmp_path: Path) -> None:
    file = tmp_path / "detector.onnx"
    answer = wider8k("export", weights, "--out", file)
    assert answer.code == 0
    assert "1 x 201 x 253: onnxruntime and torch differ by" in answer.out
    assert f"retinaface_mobilenet: {file}, 1." in answer.out
    assert "boxes, logits, landmarks" in answer.out
    images = torch.randn(1, 3, 50, 70)
    with torch.inference_mode():
        raw = open_detector(weights)[1].eval()(images)
    np.testing.assert_allclose(run_onnx(file, images.numpy())[1], raw.logits.numpy(), atol=1e-4)


def test_mistakes_are_named(wider8k, weights: str, tmp_path: Path) -> None:
    for arguments, words in (
        ((weights, "--out", tmp_path), "expected a file in a folder that exists"),
        ((weights, "--out", tmp_path / "none" / "x.onnx"), "expected a file in a folder that exists"),
        ((tmp_path / "gone.pth", "--out", tmp_path / "x.onnx"), "gone.pth"),
        ((weights, "--out", tmp_path / "x.onnx", "--detector", "yolo"), "no detector is called 'yolo'"),
    ):
        answer = wider8k("export", *arguments)
        assert answer.code == 2
        assert words in answer.err
    assert list(tmp_path.iterdir()) == []
