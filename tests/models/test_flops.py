import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.flops import flops, ranker_flops
from pipeline.models.init import without_weights
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.row_selection import row_plan
from tests.models.weight_rule import NETS


@pytest.mark.parametrize(("net", "gflop"), [("baseline", 118), ("hcam", 205), ("mogface", 1616), ("mogface_e", 699)])
def test_cost_is_that_of_the_released_code(net: str, gflop: int) -> None:
    """GFLOP at 640x640 and parameters, as they were counted there."""
    name, parameters = NETS[net]
    with without_weights():
        detector = DETECTORS[name].build().eval()
    detector.all_heads = True
    assert round(flops(detector) / 1e9) == gflop
    assert sum(parameter.numel() for parameter in detector.parameters()) == parameters


def test_one_convolution_by_hand() -> None:
    with without_weights():
        detector = DETECTORS["retinaface_mobilenet"].build().eval()
        less = flops(detector, 32, 32)
        for part in detector.heads.kinds:  # class, box and landmark maps of the finest level, 64 channels in
            part.levels[0] = torch.nn.Conv2d(64, part.levels[0].out_channels, 3, padding=1)
    added = 2 * 8 * 64 * (8 + 4 + 20) * 16  # eight more taps, two operations each, on 4 x 4 cells
    assert flops(detector, 32, 32) - less == added


def test_only_rows_that_are_read_are_computed_and_counted() -> None:
    rows, heights, channels = 500, (8, 4, 2), 64
    nearest, average = (
        RANKERS["crface_mobilenet"].build(num_candidates=rows, sampling=each).eval() for each in ("nearest", "average")
    )
    read = [len(taken) for taken in row_plan(rows, heights, 3).taken]
    of_row = 2 * 5 * 15 * channels  # of one layer with one channel in: two operations per tap
    layers = [1, channels, channels, *[channels] * 6]
    saved = sum(of_row * inputs * (rows - read[layer // 3]) for layer, inputs in enumerate(layers))
    averaging = 2 * rows * 5 * channels * sum(heights)
    assert ranker_flops(average, 64, 64) - ranker_flops(nearest, 64, 64) == saved + averaging
