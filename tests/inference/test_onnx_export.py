import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.inference.onnx_export import CHECKED, export_onnx
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.detectors.retinaface import RetinaFace, retinaface_mobilenet
from tests.inference.networks import lively_detector
from tests.inference.onnx_answers import run_onnx


@pytest.fixture(scope="module")
def detector() -> Detector:
    return lively_detector()


@pytest.fixture(scope="module")
def exported(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("onnx") / "detector.onnx"
    export_onnx(detector, file, checked=[])
    return file


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 1, 1), (3, 31, 65), (2, 640, 97), (1, 1030, 1040)])
def test_any_batch_and_size_gives_torchs_answers(
    detector: Detector, exported: Path, batch: int, height: int, width: int
) -> None:
    """The last one is of a size at which torch goes block by block."""
    images = torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1)) * 60
    with torch.inference_mode():
        raw = detector(images)
    found = run_onnx(exported, images.numpy())
    for ours, theirs in zip((raw.boxes, raw.logits, raw.landmarks), found, strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-5)
        assert theirs.shape == ours.shape
    assert raw.logits.std() > 1e-4


def test_the_report_and_the_file_say_what_was_done(detector: Detector, tmp_path: Path) -> None:
    import onnx

    file = tmp_path / "detector.onnx"
    file.write_text("an older one")
    detector.train()
    done = export_onnx(detector, file, name="retinaface_mobilenet")
    assert detector.training and all(each.requires_grad for each in detector.parameters())
    detector.eval()
    assert (done.file, done.outputs) == (file, ("boxes", "logits", "landmarks"))
    assert set(done.differences) == set(CHECKED) and 0 <= max(done.differences.values()) < 1e-4
    facts = {each.key: each.value for each in onnx.load(str(file)).metadata_props}
    assert facts["detector"] == "retinaface_mobilenet"
    assert json.loads(facts["normalisation"])["mean_bgr"] == [104, 117, 123]
    assert json.loads(facts["strides"]) == [8, 16, 32] and list(tmp_path.iterdir()) == [file]


class Sized(RetinaFace):
    """Uses the size in a way that the tracer takes for a constant."""

    def forward(self, images: Tensor) -> Raw:
        raw = super().forward(images)
        return Raw(raw.boxes + float(int(images.shape[2])) * 0.01, raw.logits, raw.landmarks)


def test_a_graph_with_a_size_baked_in_is_refused(detector: Detector, tmp_path: Path) -> None:
    detector = retinaface_mobilenet()
    detector.__class__ = Sized
    with pytest.raises(ValueError, match=r"onnxruntime and torch differ by .*, allowed are 0.001"):
        export_onnx(detector, tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)  # what Python takes for a module that is not there
    with pytest.raises(ValueError, match=r"onnx is not installed: .* wider8k\[onnx\]"):
        export_onnx(detector, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["retinaface_resnet50", "hrnet_w18", "mogface_hcam", "mogface_mobilenet"])
def test_every_detector_exports(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    file, checked = tmp_path / f"{name}.onnx", [(1, 97, 65), (2, 33, 130)]
    done = export_onnx(DETECTORS[name].build(), file, name=name, checked=checked)
    assert done.outputs[:2] == ("boxes", "logits") and max(done.differences.values()) < 1e-3
