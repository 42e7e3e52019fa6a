import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.models.detectors.detector import Detector
from pipeline.models.detectors.retinaface import retinaface_mobilenet, retinaface_resnet50
from pipeline.models.fuse import for_inference
from pipeline.models.weights import open_detector
from tests.models.reach import farthest_pixel, only_positive_weights

FILES = {"std": "retinaface_mobilenet0.25_Final.pth", "mb1": "facedetector1mb_mobilenet0.25_Final.pth"}
MEETING = "11_Meeting_Meeting_11_Meeting_Meeting_11_26"


def published(shared: Path, variant: str) -> Detector:
    return open_detector(shared / "data/weights" / FILES[variant])[1]


def pixels(shared: Path, detector: Detector, file: str) -> Tensor:
    image = cv2.imread(str(shared / "reference/retinaface/images" / file))
    return detector.normalisation(torch.from_numpy(image)).permute(2, 0, 1)[None]


@pytest.mark.wider
@pytest.mark.parametrize("variant", list(FILES))
@pytest.mark.parametrize("file", ["crop_201x253.png", f"{MEETING}.jpg"])
def test_raw_outputs_equal_the_reference(shared: Path, variant: str, file: str) -> None:
    detector = published(shared, variant)
    images = pixels(shared, detector, file)
    expected = np.load(shared / f"reference/retinaface/raw_{variant}_{Path(file).stem}.npz")
    with torch.inference_mode():
        plain, fast = detector(images), for_inference(detector)(images)
    assert np.abs(plain.boxes[0].numpy() - expected["loc"]).max() < 1e-4
    assert np.abs(plain.landmarks[0].numpy() - expected["landms"]).max() < 1e-4
    assert np.abs(detector.scores(plain.logits)[0].numpy() - expected["conf"][:, 1]).max() < 1e-5
    # Folding moves the rounding, and float32 itself is 9e-5 away from float64 here: as far again on both sides.
    assert np.abs(fast.boxes[0].numpy() - expected["loc"]).max() < 2e-4
    assert np.abs(fast.landmarks[0].numpy() - expected["landms"]).max() < 2e-4
    assert np.abs(detector.scores(fast.logits)[0].numpy() - expected["conf"][:, 1]).max() < 1e-5


@pytest.mark.wider
@pytest.mark.parametrize("variant", list(FILES))
def test_every_part_equals_the_reference(shared: Path, variant: str) -> None:
    detector = published(shared, variant)
    expected = json.loads((shared / f"reference/retinaface/stages_{variant}_{MEETING}.json").read_text())
    with torch.inference_mode():
        body = detector.backbone(pixels(shared, detector, f"{MEETING}.jpg"))
        levels = detector.pyramid(body)
        context = [module(level) for module, level in zip(detector.context, levels, strict=True)]
    ours = {f"body.{i + 1}": level for i, level in enumerate(body)}
    ours |= {f"fpn.{i}": level for i, level in enumerate(levels)}
    ours |= {f"ssh{i + 1}": level for i, level in enumerate(context)}
    compared = 0
    for name, part in expected.items():
        found, compared = ours[name], compared + 1
        assert list(found.shape) == part["shape"], name
        assert found.mean().item() == pytest.approx(part["mean"], abs=1e-5), name
        assert found.std().item() == pytest.approx(part["std"], abs=1e-4), name
        assert found.flatten()[:6].tolist() == pytest.approx(part["first"], abs=1e-4), name
        rows, columns = found.shape[2:]
        middle = found[0, :4, rows // 2, columns // 2].tolist()
        assert middle == pytest.approx(part["center"], abs=1e-4), name
    assert compared >= 8


@pytest.mark.parametrize(
    ("build", "parameters", "values", "tensors"),
    [(retinaface_mobilenet, 426_608, 433_343, 300), (retinaface_resnet50, 27_293_600, 27_351_657, 456)],
)
def test_known_sizes(build: type[Detector], parameters: int, values: int, tensors: int) -> None:
    detector = build()
    assert sum(parameter.numel() for parameter in detector.parameters()) == parameters
    state = detector.state_dict()
    assert len(state) == tensors
    assert sum(tensor.numel() for tensor in state.values()) == values


@pytest.mark.parametrize("build", [retinaface_mobilenet, retinaface_resnet50])
def test_nothing_beyond_the_halo_reaches_a_cell(build: type[Detector]) -> None:
    """No pixel farther than the halo changes a cell of any level, and some pixels nearly that far do."""
    detector = build().eval()
    only_positive_weights(detector)
    # Both directions are alike: a strip of one coarse cell's height is enough.
    farthest = farthest_pixel(detector, torch.ones(1, 3, 32, 32 * 24, requires_grad=True))
    assert detector.receptive_halo - max(detector.strides) < farthest <= detector.receptive_halo
