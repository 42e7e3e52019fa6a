import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.six_levels import PRACTICAL_HALO, square_anchors
from pipeline.models.init import without_random_weights, without_weights
from tests.models.reach import farthest_pixel, only_positive_weights


def test_anchors_are_four_strides_wide() -> None:
    assert [sizes[0] for sizes in square_anchors().sizes] == [16, 32, 64, 128, 256, 512]
    assert square_anchors(0.68).sizes[0][0] == pytest.approx(10.88)
    assert square_anchors().count(640, 640) == 34_125
    assert square_anchors().count(1000, 700) == 58_450


@pytest.mark.slow
def test_no_pixel_beyond_the_halo_reaches_the_baseline() -> None:
    """565 pixels on the coarsest level, so 640 is the least multiple of 128 that holds them."""
    with without_random_weights():
        detector = DETECTORS["mogface_baseline"].build().eval().double()
    only_positive_weights(detector)
    assert farthest_pixel(detector, torch.ones(1, 3, 1, 128 * 11, dtype=torch.float64, requires_grad=True)) == 565
    assert detector.receptive_halo == 640


def test_halos_beyond_the_practical_one_are_cut() -> None:
    with without_weights():
        assert [
            each.receptive_halo
            for each in (
                DETECTORS["hambox_resnet50"].build(head="plain"),
                DETECTORS["hambox_resnet50"].build(),
                DETECTORS["hrnet_w18"].build(),
            )
        ] == [
            640,
            PRACTICAL_HALO,
            PRACTICAL_HALO,
        ]


@pytest.mark.parametrize("head", ["plain", "ssh", "cpm"])
@pytest.mark.parametrize("pyramid", ["low", "v2p"])
def test_switches_of_hrnet_and_hambox(head: str, pyramid: str) -> None:
    cases: dict[str, dict[str, object]] = {"hrnet_w18": {"pyramid": pyramid}}
    if pyramid == "low":  # HAMBox is built with its own
        cases["hambox_resnet50"] = {"deep_head": True, "shared_heads": True}
    with without_weights():
        for name, switches in cases.items():
            detector = DETECTORS[name].build(**switches, head=head, pyramid_anchor=True, anchor_scale=0.68)
            detector.all_heads = True
            raw = detector.eval()(torch.zeros(2, 3, 64, 96))
            anchors = detector.grid.count(64, 96)
            assert raw.boxes.shape == raw.first_shot.boxes.shape == (2, anchors, 4)
            assert raw.progressive is None
            assert detector.grid.sizes[5][0] == pytest.approx(348.16)


def test_mistakes_list_the_choices() -> None:
    with pytest.raises(ValueError, match="no pyramid 'fpn'; there are low, v2p"):
        DETECTORS["hrnet_w48"].build(pyramid="fpn")
