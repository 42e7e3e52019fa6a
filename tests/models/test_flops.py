import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.flops import flops

# GFLOP at 640x640 and millions of parameters that were counted on the released code.
PUBLISHED = {
    "mogface_baseline": (118, 36.07),
    "mogface_hcam": (205, 41.79),
    "mogface_official": (1616, 85.27),
    "mogface_e_official": (699, 85.67),
}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_cost_is_that_of_the_released_code(name: str) -> None:
    with torch.device("meta"):
        detector = DETECTORS[name].build().eval()
    detector.all_heads = True
    gflop, millions = PUBLISHED[name]
    assert round(flops(detector) / 1e9) == gflop
    assert round(sum(parameter.numel() for parameter in detector.parameters()) / 1e6, 2) == millions


def test_one_convolution_by_hand() -> None:
    with torch.device("meta"):
        detector = DETECTORS["retinaface_mobilenet"].build().eval()
        less = flops(detector, 32, 32)
        for part in detector.heads.kinds:  # class, box and landmark maps of the finest level, 64 channels in
            part.levels[0] = torch.nn.Conv2d(64, part.levels[0].out_channels, 3, padding=1)
    added = 2 * 8 * 64 * (8 + 4 + 20) * 16  # eight more taps, two operations each, on 4 x 4 cells
    assert flops(detector, 32, 32) - less == added
