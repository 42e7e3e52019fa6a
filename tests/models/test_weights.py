import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet50

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.published_names import RETINAFACE, rename
from pipeline.models.weights import KeyReport, load, open_detector, save_bytes

STD = "data/weights/retinaface_mobilenet0.25_Final.pth"
MB1 = "data/weights/facedetector1mb_mobilenet0.25_Final.pth"


def torch_bytes(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def public_resnet() -> dict[str, Tensor]:
    """Random tensors under the names of the published ResNet-50 file, written down from its description."""
    body = resnet50(weights=None).state_dict()
    state = {f"body.{name}": value for name, value in body.items() if not name.startswith("fc.")}
    channels = {1: 512, 2: 1024, 3: 2048}

    def unit(prefix: str, inputs: int, outputs: int, kernel: int) -> None:
        state[f"{prefix}.0.weight"] = torch.randn(outputs, inputs, kernel, kernel)
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{prefix}.1.{name}"] = torch.rand(outputs) + 0.5
        state[f"{prefix}.1.num_batches_tracked"] = torch.tensor(7)

    for level, inputs in channels.items():
        unit(f"fpn.output{level}", inputs, 256, 1)
    unit("fpn.merge1", 256, 256, 3)
    unit("fpn.merge2", 256, 256, 3)
    for level in channels:
        unit(f"ssh{level}.conv3X3", 256, 128, 3)
        unit(f"ssh{level}.conv5X5_1", 256, 64, 3)
        for name in ("conv5X5_2", "conv7X7_2", "conv7x7_3"):
            unit(f"ssh{level}.{name}", 64, 64, 3)
    for head, values in (("ClassHead", 4), ("BboxHead", 8), ("LandmarkHead", 20)):
        for level in range(3):
            state[f"{head}.{level}.conv1x1.weight"] = torch.randn(values, 256, 1, 1)
            state[f"{head}.{level}.conv1x1.bias"] = torch.randn(values)
    return state


def test_resnet_names_meet_ours() -> None:
    state = public_resnet()
    assert len(state) == 456
    assert sum(value.numel() for value in state.values()) == 27_351_657
    detector = DETECTORS["retinaface_resnet50"].build()
    report = load(detector, torch_bytes({f"module.{name}": value for name, value in state.items()}))
    assert report.complete
    assert len(report.matched) == 456
    ours = detector.state_dict()
    for theirs, mine in {
        "fpn.output1.0.weight": "pyramid.laterals.0.conv.weight",
        "fpn.merge2.1.running_var": "pyramid.merges.1.norm.running_var",
        "ssh3.conv7x7_3.0.weight": "context.2.far.conv.weight",
        "ssh2.conv7X7_2.0.weight": "context.1.far_inner.conv.weight",
        "ssh1.conv5X5_2.0.weight": "context.0.middle.conv.weight",
        "body.layer3.5.conv2.weight": "backbone.layer3.5.conv2.weight",
        "LandmarkHead.1.conv1x1.bias": "heads.kinds.2.levels.1.bias",
    }.items():
        assert rename(theirs, RETINAFACE) == mine
        assert torch.equal(ours[mine], state[theirs])


@pytest.mark.wider
@pytest.mark.parametrize("dress", ["plain", "prefix", "wrapped", "both"])
def test_prefix_and_wrapper_are_stripped(shared: Path, dress: str) -> None:
    state: Any = Checkpoint(shared / STD).tensors
    assert len(state) == 300
    if dress in ("prefix", "both"):
        state = {f"module.{name}": value for name, value in state.items()}
    if dress in ("wrapped", "both"):
        state = {"epoch": 3, "state_dict": state}
    detector = DETECTORS["retinaface_mobilenet"].build()
    assert len(load(detector, torch_bytes(state)).matched) == 300
    assert torch.equal(
        detector.backbone.stages[0][0].conv.weight, Checkpoint(shared / STD).tensors["body.stage1.0.0.weight"]
    )


@pytest.mark.wider
def test_open_detector_tells_variants_apart_by_the_file(shared: Path) -> None:
    name, detector = open_detector(shared / MB1)
    assert name == "retinaface_mobilenet_mb1"
    assert detector.grid.sizes[0] == (10, 20)
    assert not detector.training
    with pytest.raises(ValueError, match="use detector retinaface_mobilenet_mb1"):
        open_detector((shared / MB1).read_bytes(), "retinaface_mobilenet")


def test_every_disagreement_is_reported_and_nothing_is_loaded() -> None:
    state = dict(DETECTORS["retinaface_mobilenet"].build().state_dict())
    detector = DETECTORS["retinaface_mobilenet"].build()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    del state["pyramid.merges.0.conv.weight"]
    state["stranger.weight"] = torch.zeros(1)
    state["heads.kinds.0.levels.0.bias"] = torch.zeros(12)
    with pytest.raises(ValueError, match=r"1 missing: pyramid.merges.0.conv.weight; 1 unexpected: stranger") as error:
        load(detector, torch_bytes(state))
    assert "heads.kinds.0.levels.0.bias (12,) for (8,)" in str(error.value)
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())
    report = load(detector, torch_bytes(state), partial=True)
    assert len(report.matched) == 298
    assert torch.equal(detector.state_dict()["context.0.far.conv.weight"], state["context.0.far.conv.weight"])


def test_long_lists_are_cut() -> None:
    assert str(KeyReport((), missing=tuple("abcde"))) == "0 tensors matched; 5 missing: a, b, c and 2 more"


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", torch_bytes([1, 2]), torch_bytes({"a": 3})])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        _ = Checkpoint(data).tensors


@pytest.mark.parametrize("name", ["retinaface_mobilenet", "retinaface_mobilenet_mb1"])
def test_our_own_format_keeps_name_and_numbers(name: str) -> None:
    torch.manual_seed(1)
    built = DETECTORS[name].build().eval()
    data = save_bytes(name, built, {"b": 1, "a": 2})
    assert data == save_bytes(name, built, {"a": 2, "b": 1})
    found, loaded = open_detector(data)
    assert found == name
    assert loaded.grid == built.grid
    images = torch.randn(1, 3, 40, 40)
    assert torch.equal(loaded(images).logits, built(images).logits)


def test_bytes_without_a_name_do_not_tell_their_detector() -> None:
    with pytest.raises(ValueError, match="is unknown: say which detector it belongs to"):
        open_detector(torch_bytes(DETECTORS["retinaface_mobilenet"].build().state_dict()))
    with pytest.raises(ValueError, match="no detector is called 'x'"):
        save_bytes("x", DETECTORS["retinaface_mobilenet"].build())
