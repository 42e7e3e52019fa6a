from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pipeline
import pipeline.api.detector as detector_module
from pipeline.api.detector import load
from pipeline.data.canvas import Canvas
from pipeline.inference.predictor import Predictor
from pipeline.models.weights import open_detector
from tests.stages.conftest import Answer, wider8k
from tests.stages.world import drawn_image

__all__ = ["wider8k"]


def test_it_finds_what_the_command_finds(
    weights: Path, photo: Path, tmp_path: Path, wider8k: Callable[..., Answer]
) -> None:
    found = wider8k("detect", photo, "--weights", weights, "--score", "0.3", "--json", tmp_path / "found.json")
    assert found.code == 0, found.err
    (row,) = json.loads((tmp_path / "found.json").read_text())
    faces = pipeline.load(weights, device="cpu").detect(photo, score=0.3)
    assert len(faces) > 1
    assert (faces.width, faces.height) == (96, 64)
    np.testing.assert_array_equal(faces.boxes, np.array(row["boxes"], np.float32))
    np.testing.assert_array_equal(faces.scores, np.array(row["scores"], np.float32))
    np.testing.assert_array_equal(faces.landmarks, np.array(row["landmarks"], np.float32))


def test_arrays_of_either_order_and_a_path_give_the_same(weights: Path, photo: Path) -> None:
    detector, bgr = pipeline.load(str(weights), device="cpu"), drawn_image(4)
    faces = detector.detect(photo)
    for again in (detector.detect(bgr, channels="bgr"), detector.detect(bgr[:, :, ::-1])):
        np.testing.assert_array_equal(again.boxes, faces.boxes)
        np.testing.assert_array_equal(again.scores, faces.scores)


def test_candidates_are_those_of_the_predictor_at_the_canvas(weights: Path, photo: Path) -> None:
    found = pipeline.load(weights, device="cpu", canvas="160").candidates(photo)
    expected = Predictor(open_detector(weights)[1]).candidates(drawn_image(4), Canvas(160))
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert len(found) > len(pipeline.load(weights, device="cpu").candidates(photo))


def test_thresholds_and_limits(weights: Path, photo: Path) -> None:
    detector = pipeline.load(weights, device="cpu")
    assert len(detector.detect(photo, score=0, max_detections=2)) == 2
    assert len(detector.detect(photo, score=0, iou=0.1)) < len(detector.detect(photo, score=0, iou=0.9))
    for name in ("score", "iou"):
        with pytest.raises(ValueError, match=f"{name}: expected a number in 0..1, found 1.5"):
            detector.detect(photo, **{name: 1.5})


def test_what_cannot_be_loaded_is_named(weights: Path, ranker_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pipeline.load(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="holds the ranker roi_mobilenet, not a detector"):
        pipeline.load(ranker_weights)
    with pytest.raises(ValueError, match="device tpu: expected auto, cpu or cuda"):
        pipeline.load(weights, device="tpu")
    with pytest.raises(ValueError, match="unknown canvas 'huge'"):
        pipeline.load(weights, canvas="huge")
    with pytest.raises(ValueError, match="did you mean 'torch'"):
        pipeline.load(weights, engine="torhc")
    assert repr(pipeline.load(weights, device="cpu")) == "FaceDetector(retinaface_mobilenet, cpu, torch)"


def test_detect_is_one_call_and_keeps_the_network(
    weights: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pipeline.load(weights, device="cpu").detect(photo, score=0.3)
    loaded = []
    monkeypatch.setattr(detector_module, "load", lambda file, **options: loaded.append(file) or load(file, **options))
    own = tmp_path / "own.safetensors"
    own.write_bytes(weights.read_bytes())
    for source in (photo, drawn_image(4)[:, :, ::-1]):
        faces = pipeline.detect(source, own, score=0.3, device="cpu")
        np.testing.assert_array_equal(faces.boxes, expected.boxes)
    assert loaded == [own]
    os.utime(own, (1, 1))  # another file of this name is loaded again
    pipeline.detect(photo, own, device="cpu")
    assert len(loaded) == 2
    with pytest.raises(FileNotFoundError, match="expected a weights file, or a name that wider8k weights list prints"):
        pipeline.detect(photo, tmp_path / "gone.pth")
